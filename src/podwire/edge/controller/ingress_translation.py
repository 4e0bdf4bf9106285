"""From changed hosts of Ingresses to the resources of their proxy: only what depends on them is derived again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from podwire.edge.controller.derivation_faults import DerivationFaults
from podwire.edge.controller.row_table import Difference
from podwire.edge.envoy import rows
from podwire.edge.envoy.rows import Row
from podwire.edge.gateway.endpoints import endpoints
from podwire.edge.gateway.index import Index
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.ingress.certificates import HostCertificates, host_certificates
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.listeners import listeners
from podwire.edge.ingress.references import References
from podwire.edge.ingress.servers import ANY_HOST, Claim, Refused, Server, server
from podwire.edge.ingress.virtual_hosts import Hosts, Unmet, further_names, virtual_hosts, virtual_hosts_of_name
from podwire.edge.model.backends import Cluster, NamedHost, ServicePort
from podwire.edge.model.listeners import Listener
from podwire.edge.model.tls import Authorities, Certificate
from podwire.edge.model.tracing import Collector
from podwire.edge.xds.resource import Key, Resource
from podwire.kube.meta import NamespacedName

Needed = Cluster | NamedHost | Authorities | Certificate
"""What virtual hosts need beside themselves."""


class _Derived(msgspec.Struct, frozen=True):
    """What a host comes to. `names` are further hosts that have the same or redirect to it."""

    server: Server
    hosts: Hosts
    names: tuple[str, ...] = ()


class IngressTranslation:
    """All rows of the proxy, by the hosts that they come from."""

    def __init__(self, ingresses: Ingresses, objects: Objects) -> None:
        self._ingresses = ingresses
        self._objects = objects
        self._references = References(objects, lambda: ingresses.options.options)
        self.default = Certificate("", "", "")
        """Of hosts that have none; to be set before the first derivation."""
        self._derived: dict[str, _Derived] = {}
        self._names: Index[str, str] = Index()
        """From a further name to the hosts that claim it."""
        self._rows: Counter[Key] = Counter()
        """How many hosts need a cluster or a secret."""
        self._ports: Counter[ServicePort] = Counter()
        self._ports_of: dict[NamespacedName, set[ServicePort]] = defaultdict(set)
        """The same by Service."""
        self._made: dict[Key, tuple[Row, tuple[Resource, ...]]] = {}
        self._before: dict[Key, Row | None] = {}
        """Of rows that not every Envoy has acknowledged: the last one that was."""
        self.faults = DerivationFaults()
        self.certificates = HostCertificates()
        self._collector: Collector | None = None

    def difference(self, hosts: Iterable[str], services: Iterable[NamespacedName], *, certificates: bool) -> Difference:
        """Derive these hosts again, and the endpoints of these Services; return what is different.

        `certificates`: those of all hosts are derived again too, as they are at first.
        """
        changes = _Changes(self._made, self._before)
        dirty = set(hosts)
        if certificates or not self._made or not self._with_tls.isdisjoint(dirty):
            dirty |= self._take_certificates(changes)
        self._derive(dirty, changes)
        for service in services:
            for port in self._ports_of.get(service, ()):
                changes.put(endpoints(port, self._objects))
        return changes.difference()

    @property
    def _with_tls(self) -> frozenset[str]:
        """Hosts that shape the listener of HTTPS."""
        return self.certificates.named | self.certificates.own.keys() | self.certificates.passed.keys()

    def listeners(self) -> tuple[Listener, ...]:
        """Return both ports of the proxy."""
        return listeners(self.certificates, self.default, self._ingresses.options.options)

    def resources(self) -> tuple[Resource, ...]:
        """Return all resources."""
        return tuple(one for _, found in self._made.values() for one in found)

    def problems(self, hosts: Iterable[str]) -> Iterator[Refused | Unmet]:
        """Yield what of the Ingresses of these hosts has no effect."""
        for host in hosts:
            if (derived := self._derived.get(host)) is not None:
                yield from derived.server.refused
                yield from derived.hosts.missing
                yield from self._lost_names(host, derived)

    def _lost_names(self, host: str, derived: _Derived) -> Iterator[Refused]:
        """Aliases that are a host of an Ingress, or of another host: they have no effect."""
        for location in derived.server.locations:
            for name in location.settings.server_alias:
                if name in derived.names and (owner := self._owner(name)) != host:
                    message = f"server-alias {name}: host {owner} has it: remove it from one of them"
                    yield Refused(location.ingress, "AliasInUse", message)

    def row(self, key: Key) -> Row | None:
        """Return a row; None where there is none."""
        made = self._made.get(key)
        return made[0] if made is not None else None

    def acknowledged_row(self, key: Key) -> Row | None:
        """Return the row that all Envoys had last; None where they had none."""
        return self._before.get(key, self.row(key))

    def acknowledge(self, key: Key) -> None:
        """Record that every Envoy has the row as it is."""
        self._before.pop(key, None)

    def sources_of(self, key: Key) -> tuple[Owner, ...]:
        """Return the Ingresses that forward to a cluster, or name a certificate."""
        row = self.row(key)
        if isinstance(row, Cluster):
            hosts = [one for one, found in self._derived.items() if row in found.hosts.clusters]
            return tuple({owner_of_ingress(claim) for host in hosts for claim in self._ingresses.of_host(host)})
        if isinstance(row, Certificate):
            hosts = [host for host, one in self.certificates.by_host.items() if one.name == row.name]
            return tuple({owner_of_ingress(claim) for host in hosts for claim in self._ingresses.of_host(host)})
        return ()

    def _take_certificates(self, changes: _Changes) -> set[str]:
        """Return the hosts that have a certificate or none, other than before."""
        before, now = self.certificates, host_certificates(self._ingresses.claims.values(), self._objects)
        self.certificates = now
        used = {one.name: one for one in (self.default, *_secrets(now))}
        for name in {one.name for one in _secrets(before)} - used.keys():
            changes.remove(rows.keys(Certificate(name, "", ""))[0])
        for one in used.values():
            changes.put(one)
        self._put_collector(changes)
        old, new = ([one.cluster for one in found.passed.values()] for found in (before, now))
        self._count(old, new, changes)
        for listener in self.listeners():
            changes.put(listener)
        return {one for one in self._ingresses.hosts if (before.of(one) is None) != (now.of(one) is None)}

    def _put_collector(self, changes: _Changes) -> None:
        tracing = self.listeners()[0].options.tracing
        collector = tracing.collector if tracing is not None else None
        if self._collector is not None and self._collector != collector:
            changes.remove(rows.keys(self._collector)[0])
        if collector is not None:
            changes.put(collector)
        self._collector = collector

    def _derive(self, dirty: set[str], changes: _Changes) -> None:
        """Derive hosts again, with those that share a name with them."""
        hosts = self._with_dependents(dirty, self._take_names(dirty))
        old = {host: self._derived.pop(host) for host in hosts if host in self._derived}
        for host in sorted(hosts):
            if (claims := self._ingresses.of_host(host)) and (made := self._attempt(host, claims, old.get(host))):
                self._derived[host] = made
        new = {host: self._derived[host] for host in hosts if host in self._derived}
        rows_of = {rows.keys(one)[0]: one for found in new.values() for one in found.hosts.hosts}
        for found in old.values():
            for one in found.hosts.hosts:
                if (key := rows.keys(one)[0]) not in rows_of:
                    changes.remove(key)
        for row in rows_of.values():
            changes.put(row)
        self._count(_needed(old), _needed(new), changes)

    def _attempt(self, host: str, claims: tuple[Claim, ...], before: _Derived | None) -> _Derived | None:
        """Derive a host; one that raises stays as it was, and stops no other."""
        owners = map(owner_of_ingress, claims)
        return self.faults.attempt(f"host {host}", owners, lambda: self._host(server(host, claims)), before)

    def _names_of(self, host: str) -> tuple[str, ...]:
        claims = self._ingresses.of_host(host)
        nothing: tuple[str, ...] = ()
        owners = map(owner_of_ingress, claims)
        return self.faults.attempt(f"names of {host}", owners, lambda: further_names(server(host, claims)), nothing)

    def _take_names(self, hosts: Iterable[str]) -> set[str]:
        """Take the further names of hosts; return those that these hosts had or have."""
        touched: set[str] = set()
        for host in hosts:
            touched.update(self._derived[host].names if host in self._derived else ())
            names = self._names_of(host)
            touched.update(names)
            self._names.replace(host, names)
        return touched

    def _with_dependents(self, hosts: set[str], names: set[str]) -> set[str]:
        """Hosts that claim these names, or the name of one of these hosts; wildcards where any host is different."""
        found = hosts | {owner for name in hosts | names for owner in self._names.owners(name)}
        if ANY_HOST in hosts:
            found |= {one for one in self._ingresses.hosts if one.startswith("*.")}
        return found

    def _host(self, found: Server) -> _Derived:
        host = found.host
        others = server(ANY_HOST, self._ingresses.of_host(ANY_HOST)) if host.startswith("*.") else None
        certificate = self.certificates.of(host)
        hosts = virtual_hosts(found, self._references, has_certificate=certificate is not None, others=others)
        names = further_names(found)
        own = [one for one in names if self._owner(one) == host]
        further = [one for name in own for one in virtual_hosts_of_name(found, hosts, name)]
        return _Derived(found, msgspec.structs.replace(hosts, hosts=(*hosts.hosts, *further)), names)

    def _owner(self, name: str) -> str:
        """Return the host that a name belongs to: itself where an Ingress has it, else the first that claims it."""
        return name if self._ingresses.of_host(name) else min(self._names.owners(name))

    def _count(self, old: Iterable[Needed], new: Iterable[Needed], changes: _Changes) -> None:
        """Clusters, their endpoints and secrets exist while some host uses them."""
        for one in new:
            self._rows[rows.keys(one)[0]] += 1
            changes.put(one)
            if isinstance(one, Cluster):
                self._ports[one.port] += 1
                self._ports_of[_service(one.port)].add(one.port)
                changes.put(endpoints(one.port, self._objects))
        for one in old:
            key = rows.keys(one)[0]
            self._rows[key] -= 1
            if not self._rows[key]:
                del self._rows[key]
                changes.remove(key)
            if isinstance(one, Cluster):
                self._ports[one.port] -= 1
                if not self._ports[one.port]:
                    self._forget(one.port)
                    changes.remove(rows.keys(endpoints(one.port, self._objects))[0])

    def _forget(self, port: ServicePort) -> None:
        del self._ports[port]
        ports = self._ports_of[_service(port)]
        ports.discard(port)
        if not ports:
            del self._ports_of[_service(port)]


class _Changes:
    """Rows that are made or removed in one step, by the names of their resources."""

    def __init__(self, made: dict[Key, tuple[Row, tuple[Resource, ...]]], before: dict[Key, Row | None]) -> None:
        self._made = made
        self._before = before
        self._upserts: dict[Key, Resource] = {}
        self._removals: dict[Key, None] = {}

    def put(self, row: Row) -> None:
        key = rows.keys(row)[0]
        before = self._made.get(key)
        if before is not None and before[0] == row:
            return
        self._before.setdefault(key, before[0] if before is not None else None)
        made = rows.resources(row)
        self._made[key] = (row, made)
        for one in made:
            self._upserts[one.key] = one
            self._removals.pop(one.key, None)

    def remove(self, key: Key) -> None:
        self._before.pop(key, None)
        for one in self._made.pop(key, (None, ()))[1]:
            self._upserts.pop(one.key, None)
            self._removals[one.key] = None

    def difference(self) -> Difference:
        return Difference(tuple(self._upserts.values()), tuple(self._removals))


def owner_of_ingress(claim: Claim) -> Owner:
    """Return the Ingress of a claim."""
    key = claim.item.key
    return Owner("Ingress", key.namespace, key.name)


def _needed(derived: Mapping[str, _Derived]) -> Iterator[Needed]:
    for found in derived.values():
        yield from found.hosts.secrets
        yield from found.hosts.clusters


def _secrets(certificates: HostCertificates) -> Iterator[Certificate | Authorities]:
    yield from certificates.by_host.values()
    yield from (one.authorities for one in certificates.own.values() if one.authorities is not None)


def _service(port: ServicePort) -> NamespacedName:
    return NamespacedName(port.namespace, port.service)
