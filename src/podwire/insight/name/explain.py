"""The explanation of a name. Pure: the server's own zone answers, the policies' own model judges the way to it."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.dns.corefile.configuration import Configuration
from podwire.insight.answer_form import Verdict
from podwire.insight.connection.changes import Blocked, changes
from podwire.insight.connection.explain import DNS_PORT, context_of, line
from podwire.insight.connection.points import Point, dns_point, of_workload
from podwire.insight.connection.report import ConnectionLine, SideLine, Word
from podwire.insight.connection.sides import Way
from podwire.insight.name.name_server import ALIAS, TYPES, NameServer
from podwire.insight.name.report import QueryLine, Report, ResolverLine
from podwire.insight.name.search_list import candidates, ndots_of
from podwire.insight.service.report import Finding, Severity
from podwire.insight.snapshot.ends import End, EndError, EndKind
from podwire.insight.snapshot.policy_view import pod_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.kube.meta import NamespacedName
from podwire.lab.kubelet.resolv_conf import Resolver, pod_resolver
from podwire.policy.model import Direction

DNS_SERVICE = NamespacedName("kube-system", "kube-dns")
USUAL_ADDRESS = "10.96.0.10"
"""Of the cluster's DNS where its Service is not among the objects."""
NODE = Resolver(("the node's own servers",))
PROTOCOLS = ("UDP", "TCP")


def explain(name: str, client: End, configuration: Configuration, snapshot: Snapshot) -> Report:
    """Return what becomes of a name. Raises EndError for a client that is no pod."""
    if client.kind is not EndKind.PODS:
        raise EndError(f"{client.text}: only pods have a resolver that is known; write a pod or a workload")
    server = NameServer(configuration, snapshot)
    resolver = _resolver(client, server.domain, snapshot)
    searches, ndots = resolver.searches, ndots_of(resolver.options)
    shown = ResolverLine(client.workloads[0].spec.dns_policy, resolver.servers, searches, ndots, resolver.options)
    uses_cluster = set(resolver.servers) & set(_cluster_addresses(snapshot))
    if not uses_cluster:
        servers = ", ".join(resolver.servers) or "nobody, as it has no name server"
        text = f"requested from {servers}: not from the cluster's DNS"
        found = tuple(_elsewhere(server.domain, client))
        return Report(name, client.text, text, shown, findings=found, is_planned=snapshot.is_planned)
    queries = tuple(_queries(name, candidates(name, searches, ndots), server, _address(client)))
    ways = tuple(_ways(client, snapshot))
    context = context_of(snapshot)
    lines = tuple(line(way, context) for way in ways)
    blocked = [
        Blocked(way, Direction(side.direction))
        for way, one in zip(ways, lines, strict=True)
        for side in one.sides
        if side.verdict is not Verdict.ALLOWED
    ]
    findings = (*_way_findings(lines), *_query_findings(name, queries, ndots), *_hints(name, queries, client, snapshot))
    result = _result(queries, lines)
    found_changes = tuple(changes(blocked, context))
    return Report(
        name, client.text, result, shown, queries, lines, findings, found_changes, is_planned=snapshot.is_planned
    )


def _cluster_addresses(snapshot: Snapshot) -> tuple[str, ...]:
    service = snapshot.service(DNS_SERVICE)
    return tuple(service.addresses) if service is not None and service.addresses else (USUAL_ADDRESS,)


def _resolver(client: End, domain: str, snapshot: Snapshot) -> Resolver:
    """The resolv.conf of the client's pods, as the kubelet writes it; it names the DNS by its first address."""
    return pod_resolver(pod_of(client.workloads[0]), NODE, _cluster_addresses(snapshot)[:1], domain)


def _address(client: End) -> str:
    places = (client.pod,) if client.pod is not None else client.workloads[0].pods
    return next((address for place in places for address in place.addresses), "")


def _queries(name: str, names: tuple[str, ...], server: NameServer, client: str) -> Iterator[QueryLine]:
    """Each query until a name has an address, or is forwarded: A and AAAA of a name are sent together."""
    for number, candidate in enumerate(names, 1):
        try:
            found = {kind: server.answer(candidate, kind, client) for kind in TYPES}
        except ValueError as error:
            raise EndError(f"{name}: {error}") from None
        for kind, one in found.items():
            yield QueryLine(number, candidate, kind, one.code, one.records, one.origin)
        if any(one.code in ("NOERROR", "FORWARDED") for one in found.values()):
            return


def _ways(client: End, snapshot: Snapshot) -> Iterator[Way]:
    for workload in client.workloads:
        source: Point = of_workload(workload, client.pod, 4, snapshot)
        for protocol in PROTOCOLS:
            yield Way(source, dns_point(4, snapshot), protocol, DNS_PORT)


def _result(queries: tuple[QueryLine, ...], lines: tuple[ConnectionLine, ...]) -> str:
    """The whole in a line."""
    if any(one.protocol == "UDP" and one.verdict is Verdict.NOT_ALLOWED for one in lines):
        return "not resolved: no query reaches the cluster's DNS"
    records = [record for one in queries for record in one.records if not record.startswith(ALIAS)]
    forwarded = [one for one in queries if one.code == "FORWARDED"]
    if records:
        return f"{', '.join(dict.fromkeys(records))} after {len(queries)} queries"
    if forwarded and forwarded[-1].records:
        target = forwarded[-1].records[-1].removeprefix(ALIAS)
        return f"an alias of {target}, which is {forwarded[-1].origin.rpartition(', ')[2]}"
    if forwarded:
        return f"{len(queries)} queries, of which {len(forwarded)} are {forwarded[-1].origin}"
    return f"not resolved: none of {len(queries)} queries has an address"


def _way_findings(lines: tuple[ConnectionLine, ...]) -> Iterator[Finding]:
    """What keeps queries from the name server."""
    blocked = {one.protocol: one for one in lines if one.verdict is Verdict.NOT_ALLOWED}
    if "UDP" in blocked:
        for side in blocked["UDP"].sides:
            if side.verdict is Verdict.NOT_ALLOWED:
                text = f"DNS blocked by default-deny {side.direction}: {_isolating(side)} {side.subject}"
                yield Finding(
                    Severity.ERROR,
                    "DnsBlocked",
                    f"{text}, and no rule admits 53/UDP from {blocked['UDP'].source} to the cluster's DNS.",
                    "Apply the change below, which admits 53/UDP and 53/TCP.",
                )
    elif "TCP" in blocked:
        text = "The cluster's DNS cannot be reached by TCP: answers that do not fit into a datagram are lost."
        yield Finding(Severity.WARNING, "DnsBlockedByTcp", text, "Admit 53/TCP beside 53/UDP.")


def _isolating(side: SideLine) -> str:
    names = [one.policy for one in side.policies if one.word is not Word.NOT_APPLICABLE]
    if not names:
        return "the policies isolate"
    return f"{', '.join(names)} {'isolates' if len(names) == 1 else 'isolate'}"


def _query_findings(name: str, queries: tuple[QueryLine, ...], ndots: int) -> Iterator[Finding]:
    """Queries that are sent in vain."""
    whole = name.removesuffix(".") + "."
    wasted = [one for one in queries if one.name != whole and not one.records]
    if (
        name.endswith(".")
        or not wasted
        or queries[-1].name != whole
        or queries[-1].code not in {"FORWARDED", "NOERROR"}
    ):
        return
    dots = name.count(".")
    text = (
        f"{name} has {dots} dot{'s' if dots != 1 else ''}, less than ndots:{ndots}: the search list comes first, and "
        f"{len(wasted)} of {len(queries)} queries are in vain."
    )
    remedy = f"Write {whole} with the last dot, or set ndots to {max(dots, 1)} in spec.dnsConfig.options of the pod."
    yield Finding(Severity.WARNING, "SearchListInVain", text, remedy)


def _hints(name: str, queries: tuple[QueryLine, ...], client: End, snapshot: Snapshot) -> Iterator[Finding]:
    """Why a name of the cluster has no address."""
    if any(one.records and one.code in ("NOERROR", "FORWARDED") for one in queries):
        return
    for one in queries:
        if one.records and one.type == "A":
            target = one.records[-1].removeprefix(ALIAS)
            text = f"{one.name} is an alias of {target}, which has no address ({one.code}; {one.origin})."
            yield Finding(Severity.ERROR, "AliasOfNothing", text, "Correct spec.externalName.")
            return
    first, _, rest = name.removesuffix(".").partition(".")
    namespace = rest.split(".")[0] or client.namespace
    service = snapshot.service(NamespacedName(namespace, first))
    if service is not None and service.headless:
        text = (
            f"Service {service.key} is headless and has no ready endpoint: its name does not exist until one is ready."
        )
        yield Finding(Severity.ERROR, "NoReadyEndpoint", text, f"See podwire explain service {service.key}.")
        return
    others = [one.key for one in snapshot.services if one.metadata.name == first and one.key.namespace != namespace]
    if others and not any(one.code == "FORWARDED" for one in queries[:-2]):
        key = others[0]
        text = f"There is no Service {first} in namespace {namespace}, but Service {key}."
        yield Finding(Severity.ERROR, "OtherNamespace", text, f"Write {key.name}.{key.namespace}.")


def _elsewhere(domain: str, client: End) -> Iterator[Finding]:
    """A pod that does not use the cluster's DNS."""
    policy = client.workloads[0].spec.dns_policy
    host = client.workloads[0].spec.host_network
    text = f"{client.text} does not use the cluster's DNS (dnsPolicy {policy}{', hostNetwork' if host else ''})"
    remedy = "Set dnsPolicy to ClusterFirstWithHostNet." if host else "Set dnsPolicy to ClusterFirst."
    yield Finding(Severity.WARNING, "OtherNameServer", f"{text}: names of {domain} are not known there.", remedy)
