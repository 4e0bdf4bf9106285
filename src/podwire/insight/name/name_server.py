"""The cluster's DNS as its objects make it: the server's own zone and blocks, without sockets. Pure.

A name that the server would forward is not looked up: the answer names the upstream servers.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Collection, Coroutine, Iterable

import msgspec

from podwire.dns.authority import Authority
from podwire.dns.block import AuthoritySource, Block, Readiness, Source, rcode_of
from podwire.dns.corefile.configuration import BlockSettings, Configuration
from podwire.dns.corefile.forward import ForwardSettings
from podwire.dns.corefile.kubernetes import covered
from podwire.dns.hosts import HostsSource
from podwire.dns.kept import Keeper, KeptService, KeptSlice
from podwire.dns.message import RD, Query, Rcode, Response
from podwire.dns.names import IPAddress, expand, to_text, to_wire
from podwire.dns.outcome import Found, Outcome, Relayed, as_reply
from podwire.dns.owner import DOMAIN, Owner
from podwire.dns.records import INTERNET, Record, RecordType
from podwire.dns.reply import ANSWER, Reply
from podwire.dns.responder import Router
from podwire.dns.rewriting import Rewriter
from podwire.dns.rows import Domain, records
from podwire.dns.sink import Zone
from podwire.dns.templates import TemplateSource
from podwire.engine.row import Delta
from podwire.insight.snapshot import expansion
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.kube.core import Pod
from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

PORT = 53
PLACEHOLDER = "192.0.2.1"
"""Of Services that are written and get an address when they are created (RFC 5737)."""
LATER = "an address of its own"
ALIAS = "CNAME "
"""What a record that is another name begins with."""

TYPES = {"A": RecordType.A, "AAAA": RecordType.AAAA}


class NameAnswer(msgspec.Struct, frozen=True):
    """An answer: its code in words, the records, and what they come from."""

    code: str
    records: tuple[str, ...] = ()
    origin: str = ""


class _Forwarded(Exception):  # noqa: N818 it is an answer
    """A query reached `forward`. Its name is that of an alias' target, where the name that was sent is an alias."""

    def __init__(self, upstreams: Iterable[str], query: Query) -> None:
        super().__init__(", ".join(upstreams))
        self.key = query.key


class _ForwardSource:
    """Knows which names are forwarded, and where to."""

    def __init__(self, settings: ForwardSettings) -> None:
        self._settings = settings

    def answer(self, query: Query, client: str) -> Found:  # noqa: ARG002 of all plugins
        """Raise _Forwarded for a name of the zone."""
        if not covered(query.key, (self._settings.zone,)) or covered(query.key, self._settings.without):
            return None
        raise _Forwarded(self._settings.upstreams, query)


class Objects:
    """The objects of a snapshot as the DNS server sees them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._keeper = Keeper()
        self._services = {one.key: _addressed(one, snapshot) for one in snapshot.services}
        self._pods: defaultdict[str, list[Pod]] = defaultdict(list)
        self.made: dict[str, str] = {}
        if snapshot.is_planned and any(one.headless for one in snapshot.services):
            self._place_pods()

    def _place_pods(self) -> None:
        """Note all pods, and the names of those whose address is not known yet."""
        known = {address for one in self._snapshot.workloads for pod in one.pods for address in pod.addresses}
        for pod in expansion.pods(self._snapshot):
            self._pods[pod.metadata.namespace].append(pod)
            if pod.addresses[0] not in known:
                self.made[pod.addresses[0]] = str(pod.key)

    def service(self, key: NamespacedName) -> KeptService | None:
        """A Service, if it exists."""
        found = self._services.get(key)
        return self._keeper.service(found) if found is not None else None

    def slices(self, key: NamespacedName) -> Collection[KeptSlice]:
        """All slices of a Service; of a written headless one those that its selector would get."""
        found: Iterable[EndpointSlice] = tuple(one for one in self._snapshot.slices if one.service == key)
        service = self._services.get(key)
        if not found and service is not None and self._snapshot.is_planned and service.headless:
            found = expansion.slices(service, self._pods[key.namespace])
        return tuple(map(self._keeper.endpoint_slice, found))

    def has_namespace(self, name: str) -> bool:
        """Whether a Namespace exists."""
        return name in self._snapshot.namespaces

    def owners(self) -> Iterable[Owner]:
        """All that may have records."""
        yield DOMAIN
        yield from map(Owner, self._snapshot.namespaces)
        yield from (Owner(key.namespace, key.name) for key in self._services)


def _addressed(service: Service, snapshot: Snapshot) -> Service:
    """A written Service with the address that it will get, if it is of a type that gets one."""
    has_none = service.headless or service.spec.type == "ExternalName"
    if not snapshot.is_planned or service.addresses or has_none:
        return service
    spec = msgspec.structs.replace(service.spec, cluster_ip=PLACEHOLDER, cluster_ips=(PLACEHOLDER,))
    return msgspec.structs.replace(service, spec=spec)


class NameServer:
    """Answers as the server of this Corefile would with the objects of a snapshot."""

    def __init__(self, configuration: Configuration, snapshot: Snapshot) -> None:
        settings = configuration.kubernetes
        self.domain = settings.domain if settings is not None else "cluster.local"
        self._snapshot = snapshot
        self._origins: dict[bytes, set[str]] = {}
        self._zone = Zone()
        objects = self._objects = Objects(snapshot)
        if settings is not None:
            domain = Domain(
                settings.domain,
                reverse=bool(settings.reverse),
                namespaces=settings.namespaces,
                pods=settings.pods != "disabled",
                ignore_empty=settings.ignore_empty,
            )
            self._fill(objects, domain)
        self._router = Router()
        blocks = (self._block(one) for one in configuration.blocks if one.port == PORT)
        self._router.replace(blocks)

    def answer(self, name: str, kind: str, client: str = "") -> NameAnswer:
        """The answer to one query; `client` is the pod's address."""
        wire = to_wire(name)
        question = wire + TYPES[kind].to_bytes(2, "big") + INTERNET.to_bytes(2, "big")
        query = Query(0, RD, wire, TYPES[kind], question)
        try:
            found = self._router.resolve(query, client)
        except _Forwarded as forwarded:
            return self._forwarded(query, forwarded)
        if isinstance(found, Response | Relayed):
            return self._shown(query, found)
        if isinstance(found, Coroutine):
            found.close()
        return NameAnswer("FORWARDED", origin="completed by autopath")

    def _forwarded(self, query: Query, forwarded: _Forwarded) -> NameAnswer:
        """Name the alias before the server that knows its target."""
        owners = sorted(self._origins.get(query.key, ()))
        is_alias = bool(owners) and forwarded.key != query.key
        records = (f"{ALIAS}{to_text(forwarded.key)}",) if is_alias else ()
        return NameAnswer("FORWARDED", records, ", ".join((*owners, f"forwarded to {forwarded}")))

    def _shown(self, query: Query, found: Outcome) -> NameAnswer:
        reply = as_reply(query, found)
        records = tuple(dict.fromkeys(map(self._named, _records(reply[0])))) if reply is not None else ()
        code = Rcode(rcode_of(found)).name
        if code == "NOERROR" and not records:
            code = "NODATA"
        owners = sorted(self._origins.get(query.key, ()))
        return NameAnswer(code, records, ", ".join(owners) if records or owners else "")

    def _named(self, record: str) -> str:
        """An address that a pod will get is shown by the pod's name."""
        pod = self._objects.made.get(record)
        return f"an address of pod {pod}" if pod is not None else record

    def _fill(self, objects: Objects, domain: Domain) -> None:
        desired: dict[Record, None] = {}
        for owner in objects.owners():
            for row in records(owner, objects, domain):
                desired[row] = None
                if owner.name:
                    found = self._origins.setdefault(to_wire(row.name).lower(), set())
                    found.add(f"Service {owner.namespace}/{owner.name}")
        self._zone.put(Delta(upserts=tuple(desired)))

    def _block(self, settings: BlockSettings) -> Block:
        return Block(
            settings.zones,
            tuple(self._sources(settings)),
            self._router.follow,
            rewriter=Rewriter(settings.rewrites) if settings.rewrites else None,
        )

    def _sources(self, settings: BlockSettings) -> Iterable[Source]:
        yield from map(TemplateSource, settings.templates)
        for one in settings.hosts:
            # A file of hosts is the server's, not of this machine.
            yield HostsSource(msgspec.structs.replace(one, file=""), lambda: None, turned=False)
        if settings.kubernetes is not None:
            authority = Authority(
                self._zone,
                turned=False,
                fallthrough=settings.kubernetes.fallthrough,
                pod_exists=self._pod_exists if settings.kubernetes.pods == "verified" else lambda _, __: True,
            )
            yield AuthoritySource(authority, Readiness(ready=True))
        yield from map(_ForwardSource, settings.forwards)

    def _pod_exists(self, namespace: str, address: IPAddress) -> bool:
        places = (place for one in self._snapshot.workloads if one.namespace == namespace for place in one.pods)
        return any(str(address) in place.addresses for place in places)


def _records(reply: Reply) -> Iterable[str]:
    """The records of an answer as text: an address, or `CNAME name.`."""
    for one in reply.records:
        data = reply.raw[one.data : one.end]
        if one.section != ANSWER:
            continue
        if one.type in {RecordType.A, RecordType.AAAA}:
            address = str(ipaddress.ip_address(data))
            yield LATER if address == PLACEHOLDER else address
        elif one.type == RecordType.CNAME:
            yield f"{ALIAS}{to_text(expand(reply.raw, one.data)[0])}"
