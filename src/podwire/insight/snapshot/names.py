"""What the names of a command mean: pods, workloads, Services, nodes, addresses, hosts, `outside`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from podwire.insight.snapshot import dns_names
from podwire.insight.snapshot.ends import End, EndError, EndKind, Port, ambiguous, unknown
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import PodPlace, Workload
from podwire.kube.addresses import parsed, parsed_network
from podwire.kube.kind_words import KIND_WORDS
from podwire.policy.model import PROTOCOLS, IPNetwork

OUTSIDE = "outside"
_OUTSIDE_OF = f"{OUTSIDE} "
"""Before networks, as reach shows them: `outside 203.0.113.0/24`."""
_SOME_PODS = re.compile(r" \(\d+ of \d+ pods\)(?=:|$)")
"""After workloads, as reach shows them."""


def split_port(text: str) -> tuple[str, Port | None]:
    """Return a name and its port: `shop/web:80`, `web:http`, `10.0.0.1:53/UDP`, `[fd00::1]:80`. Raises EndError."""
    text = _SOME_PODS.sub("", text)
    name, colon, rest = text.rpartition(":")
    if text.startswith("[") and text.endswith("]"):
        return text[1:-1], None
    if not colon or parsed(text) is not None or network(text) is not None:
        return text, None
    port, slash, protocol = rest.partition("/")
    protocol = protocol.upper() or "TCP"
    if protocol not in PROTOCOLS or (slash and not rest.partition("/")[2]):
        raise EndError(f"{text}: the protocol is one of {', '.join(PROTOCOLS)}")
    if not port or not name or (port.isdigit() and not 1 <= int(port) <= 65535):
        raise EndError(f"{text}: write NAME:PORT or NAME:PORT/PROTOCOL, a port of 1 to 65535 or its name")
    return name.removeprefix("[").removesuffix("]"), Port(int(port) if port.isdigit() else port, protocol)


def resolve(text: str, snapshot: Snapshot, namespace: str = "", *, is_client: bool) -> End:
    """Return what a name without its port means. Raises EndError.

    A name of both a workload and a Service is the workload for a client, and the Service for what it connects to.
    `namespace` is where names without one are looked up first.
    """
    if text == OUTSIDE:
        return End(text, EndKind.OUTSIDE)
    address = parsed(text)
    if address is not None:
        return _of_address(text, snapshot)
    found = _named(text, snapshot, namespace, is_client=is_client)
    if found is not None:
        return found
    if text.rpartition(".")[2].isdigit() and "." in text:  # no top-level domain is a number (RFC 3696, section 2)
        raise EndError(f"{text}: is no IP address: write four numbers of 0 to 255, or a name")
    if "." in text and "/" not in text:
        return dns_names.resolve(text, snapshot, namespace)
    if "node" in text and snapshot.is_planned and not snapshot.nodes:
        raise EndError(f"{text}: nothing has this name; the files have no Node: write its address, or add the object")
    for kind in snapshot.unknown:
        if any(text in (str(one), one.name) for one in kind.with_pods):
            text = f"{text}: is a {kind.kind} ({kind.place}), which is not read"
            raise EndError(f"{text}: write it as a Deployment with the same template too")
    raise unknown(text, text.rpartition("/")[2] if "/" not in text else text, _all_names(text, snapshot))


def network(text: str) -> IPNetwork | None:
    """Return the network of several addresses that a text means: `10.0.0.0/8`, `outside 10.0.0.0/8`."""
    found = parsed_network(text.removeprefix(_OUTSIDE_OF)) if "/" in text else None
    return found if found is not None and found.num_addresses > 1 else None


def _of_address(text: str, snapshot: Snapshot) -> End:
    address = parsed(text)
    assert address is not None, "the caller has parsed it"
    shown = str(address)
    for service in snapshot.services:
        if shown in (*service.addresses, *service.external_addresses):
            return End(text, EndKind.SERVICE, service=service, address=address)
    for workload in snapshot.workloads:
        for pod in workload.pods:
            if shown in pod.addresses and not workload.spec.host_network and not pod.is_finished:
                return End(text, EndKind.PODS, (workload,), pod, address=address)
    node = next((one for one in snapshot.nodes if shown in one.internal_addresses), None)
    return End(text, EndKind.NODE if node is not None else EndKind.ADDRESS, node=node, address=address)


def _named(text: str, snapshot: Snapshot, namespace: str, *, is_client: bool) -> End | None:
    kind, where, name = _parts(text, snapshot)
    nodes = [one for one in snapshot.nodes if one.metadata.name == name and not where]
    found: list[tuple[str, End]] = []
    if kind in ("", "Node"):
        found += [(f"node/{name}", End(text, EndKind.NODE, node=one)) for one in nodes]
    workloads = list(_workloads(kind, where, name, text, snapshot)) if kind not in ("Service", "Node") else []
    services = []
    if kind in ("", "Service"):
        services = [
            (f"{one.metadata.namespace}/service/{name}", End(text, EndKind.SERVICE, service=one))
            for one in snapshot.services
            if one.metadata.name == name and where in ("", one.metadata.namespace)
        ]
    preferred, others = (workloads, services) if is_client else (services, workloads)
    for candidates in (found, preferred, others):
        own = [one for one in candidates if namespace and one[1].namespace == namespace] or candidates
        if len(own) > 1:
            raise ambiguous(text, (label for label, _ in own))
        if own:
            return own[0][1]
    return None


def _parts(text: str, snapshot: Snapshot) -> tuple[str, str, str]:
    """Return kind, namespace and name of `NAME`, `NAMESPACE/NAME`, `KIND/NAME` and `NAMESPACE/KIND/NAME`."""
    parts = text.split("/")
    if len(parts) == 1:
        return "", "", text
    if len(parts) == 3 and parts[1].lower() in KIND_WORDS:
        return KIND_WORDS[parts[1].lower()], _namespace(parts[0], text, snapshot), parts[2]
    if len(parts) == 2 and parts[0].lower() in KIND_WORDS and parts[0] not in snapshot.namespaces:
        return KIND_WORDS[parts[0].lower()], "", parts[1]
    if len(parts) == 2:
        return "", _namespace(parts[0], text, snapshot), parts[1]
    raise EndError(f"{text}: write NAME, NAMESPACE/NAME, KIND/NAME or NAMESPACE/KIND/NAME")


def _namespace(name: str, text: str, snapshot: Snapshot) -> str:
    if name not in snapshot.namespaces:
        raise unknown(f"{text}: namespace {name}", name, snapshot.namespaces)
    return name


def _workloads(kind: str, where: str, name: str, text: str, snapshot: Snapshot) -> Iterator[tuple[str, End]]:
    """Yield the workloads of the name, one for each owner, else the pods of it."""
    owners: dict[str, list[Workload]] = {}
    for one in snapshot.workloads:
        if one.name == name and where in ("", one.namespace) and kind in ("", one.owner.kind):
            owners.setdefault(f"{one.namespace}/{one.owner.kind.lower()}/{name}", []).append(one)
    if owners:
        yield from ((label, End(text, EndKind.PODS, tuple(found))) for label, found in owners.items())
        return
    if kind not in ("", "Pod"):
        return
    for one in snapshot.workloads:
        for pod in one.pods:
            if pod.name == name and where in ("", one.namespace):
                yield f"{one.namespace}/pod/{name}", End(text, EndKind.PODS, (one,), pod)
        if not one.pods and where in ("", one.namespace) and name in one.made_names():
            yield f"{one.namespace}/pod/{name}", End(text, EndKind.PODS, (one,), PodPlace(name))


def _all_names(text: str, snapshot: Snapshot) -> Iterator[str]:
    whole = "/" in text
    for one in (*(w.owner.key for w in snapshot.workloads), *(s.key for s in snapshot.services)):
        yield str(one) if whole else one.name
    yield from (one.metadata.name for one in snapshot.nodes if not whole)
