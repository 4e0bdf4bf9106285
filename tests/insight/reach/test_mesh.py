"""Policies of the mesh in who reaches whom: what `podwire explain` says of each connection."""

from __future__ import annotations

import ipaddress
import itertools
import random
from collections.abc import Iterator

import pytest

from podwire.insight.answer_form import Verdict
from podwire.insight.connection.explain import explain
from podwire.insight.connection.question import Question
from podwire.insight.reach.parties import Parties
from podwire.insight.reach.report import Connection, report
from podwire.insight.snapshot import names
from podwire.insight.snapshot.ends import Port
from podwire.insight.snapshot.snapshot import Snapshot
from tests.insight.reach.scene import answer, lines, policy, snapshot, workload

SHOP = """---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {podwire.dev/mesh: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: plain}
"""
PODS = "".join(
    (
        workload("shop/web", more="serviceAccountName: web"),
        workload("shop/api", more="serviceAccountName: api"),
        workload("plain/old"),
    )
)
SERVICE = """---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: 8080}]}
"""


def mesh(kind: str, name: str, spec: str) -> str:
    namespace, _, own = name.partition("/")
    header = f"---\napiVersion: mesh.podwire.dev/v1alpha1\nkind: {kind}\n"
    return f"{header}metadata: {{name: {own}, namespace: {namespace}}}\nspec: {spec}\n"


WEB_ALONE = mesh("AuthorizationPolicy", "shop/api", "{selector: {matchLabels: {app: api}}, rules: [{from: [{identities: [shop/web]}]}]}")  # noqa: E501  # fmt: skip
STRICT = mesh("TransportPolicy", "shop/all", "{mode: STRICT}")
READ = mesh("AuthorizationPolicy", "shop/read", "{selector: {matchLabels: {app: api}}, rules: [{to: [{methods: [GET]}]}]}")  # noqa: E501  # fmt: skip


def to_api(*texts: str) -> list[str]:
    return [one for one in lines(answer(SHOP, PODS, *texts)) if "shop/api" in one.partition("->")[2] or "all" in one]


def test_an_identity_alone_reaches_a_pod_by_tcp() -> None:
    found = to_api(WEB_ALONE)
    assert "shop/web -> shop/api: any" in found
    everyone = [one for one in found if one.endswith("-> shop/api: UDP, SCTP, other protocols")]
    assert len(everyone) == 1
    assert "outside" in everyone[0]


def test_a_client_that_is_not_enrolled_is_known_on_its_own_node_alone() -> None:
    identities = WEB_ALONE.replace("shop/web", "plain/default")
    assert any("plain/old -> shop/api: TCP ?" in one for one in to_api(identities))


def test_strict_closes_a_pod_to_clients_outside_of_the_mesh() -> None:
    found = lines(answer(SHOP, PODS, STRICT))
    assert "outside -> shop/*: UDP, SCTP, other protocols" in [one.replace("plain/*, ", "") for one in found] or any(
        "outside" in one and "shop" in one and "UDP, SCTP, other protocols" in one for one in found
    )
    assert not any("outside" in one and "shop" in one and one.endswith(": any") for one in found)
    port = STRICT.replace("{mode: STRICT}", "{mode: PERMISSIVE, ports: [{port: 8080, mode: STRICT}]}")
    assert any("TCP 1-8079,8081-65535" in one for one in lines(answer(SHOP, PODS, port)))


def test_where_requests_decide_it_is_open() -> None:
    found = answer(SHOP, PODS, SERVICE, READ)
    assert any(one.ports == "TCP 8080" and not one.is_certain for one in found.connections)
    assert any("the request decides" in note for note in found.notes)
    assert not any("the request decides" in note for note in answer(SHOP, PODS, WEB_ALONE).notes)


def test_ranges_of_addresses_cut_what_is_outside() -> None:
    spec = "{selector: {matchLabels: {app: api}}, rules: [{from: [{addresses: [203.0.113.0/24]}]}]}"
    found = to_api(mesh("AuthorizationPolicy", "shop/office", spec))
    assert "outside 203.0.113.0/24 -> shop/api: any" in found
    assert "all pods, outside 0.0.0.0/0 except 203.0.113.0/24 -> shop/api: UDP, SCTP, other protocols" in found


RANDOM_PARTS = {
    "from": (
        "identities: [shop/web]", "identities: [shop/*]", "notIdentities: [shop/web]", "namespaces: [plain]",
        "notNamespaces: [shop]", "addresses: [198.51.100.0/24]", "notAddresses: [10.0.0.0/8]",
    ),
    "to": ("ports: [8080]", "notPorts: [9090]", "methods: [GET]", "paths: [/a]"),
}  # fmt: skip


def random_policies(seed: int) -> Iterator[str]:
    draw = random.Random(seed)
    for number in range(draw.randint(1, 3)):
        parts = [
            f"{name}: [{{{draw.choice(choices)}}}]" for name, choices in RANDOM_PARTS.items() if draw.random() < 0.6
        ]
        selector = draw.choice(("", "selector: {matchLabels: {app: api}}, "))
        spec = f"{{{selector}action: {draw.choice(('ALLOW', 'DENY', 'AUDIT'))}, rules: [{{{', '.join(parts)}}}]}}"
        yield mesh("AuthorizationPolicy", f"{draw.choice(('shop', 'podwire-system'))}/p{number}", spec)
    if draw.random() < 0.4:
        mode = draw.choice(("{mode: STRICT}", "{ports: [{port: 9090, mode: STRICT}]}"))
        yield mesh("TransportPolicy", "shop/mode", mode)
    if draw.random() < 0.5:
        peer = draw.choice(("{podSelector: {matchLabels: {app: web}}}", "{namespaceSelector: {}}"))
        yield policy("shop/api", f"{{podSelector: {{matchLabels: {{app: api}}}}, ingress: [{{from: [{peer}]}}]}}")


ENDS = ("shop/web", "shop/api", "plain/old", "192.0.2.7", "198.51.100.7")


@pytest.mark.parametrize("seed", range(25))
def test_each_connection_is_what_explain_says(seed: int) -> None:
    agree(seed)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_many_more_connections_are_what_explain_says() -> None:
    for seed in range(1000, 2500):
        agree(seed)


def agree(seed: int) -> None:
    texts = (SHOP, PODS, SERVICE, *random_policies(seed))
    scene = snapshot(*texts, ranges="10.244.0.0/16")
    reached = report(scene)
    for source, destination, port in itertools.product(ENDS, ENDS[:3], (8080, 9090, 7000)):
        if source == destination:
            continue
        found = {
            one.is_certain
            for one in reached.connections
            if is_end(source, one.from_) and destination in one.to and has_port(one, port)
        }
        verdict = explained(scene, source, destination, port)
        got = Verdict.ALLOWED if True in found else Verdict.UNDECIDABLE if found else Verdict.NOT_ALLOWED
        assert got is verdict, (seed, source, destination, port, "".join(texts[3:]))


def is_end(name: str, ends: tuple[str, ...]) -> bool:
    if "/" in name:
        return name in ends
    found = ipaddress.ip_address(name)
    return any(found in network for one in ends if one.startswith("outside") for network in networks(one))


def networks(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Return the networks of `outside NETWORK[, NETWORK][ except NETWORK]`."""
    whole, _, without = text.removeprefix("outside").partition(" except ")
    found = [ipaddress.ip_network(one.strip()) for one in whole.split(",") if one.strip()]
    found = found or [ipaddress.ip_network("0.0.0.0/0")]
    for hole in (ipaddress.ip_network(one.strip()) for one in without.split(",") if one.strip()):
        found = [part for one in found for part in (one.address_exclude(hole) if one.overlaps(hole) else (one,))]  # type: ignore[arg-type]
    return found


def has_port(one: Connection, port: int) -> bool:
    listed = one.port_list
    return any(each.protocol == "TCP" and any(first <= port <= last for first, last in each.ranges) for each in listed)


def explained(scene: Snapshot, source: str, destination: str, port: int) -> Verdict:
    client = names.resolve(source.replace("/", "/deployment/"), scene, is_client=True)
    server = names.resolve(destination.replace("/", "/deployment/"), scene, is_client=False)
    return explain(Question(client, server, Port(port, "TCP")), scene).verdict


def test_a_snapshot_without_policies_of_the_mesh_has_no_classes_of_it() -> None:
    assert {one.mesh for one in Parties(snapshot(SHOP, PODS)).answer.classes.found} == {-1}
