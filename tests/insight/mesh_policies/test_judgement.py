"""What the mesh makes of a connection, where ends are known and where they are not."""

from __future__ import annotations

import msgspec
import pytest

from podwire.insight.answer_form import Verdict
from podwire.insight.mesh_policies.ends import Client, Mesh
from podwire.insight.mesh_policies.judgement import REFUSED, judge
from podwire.insight.mesh_policies.report import MeshLine
from podwire.kube.meta import LabelSelector, NamespacedName, ObjectMeta
from podwire.kube.services import Service, ServicePort, ServiceSpec
from podwire.mesh.authorization.model import Action, Operation, Policy, Request, Rule, Source
from podwire.mesh.authorization.pattern import Pattern, read
from podwire.mesh.authorization.selection import Authorization
from podwire.mesh.authorization.tokens import Issuer, TokenPolicy
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.kinds.transport_policy import STRICT, TransportPolicy, TransportPolicySpec, TransportPort
from podwire.mesh.model.workload import Workload

WEB = "spiffe://cluster.local/ns/shop/sa/web"
SERVER = Workload(NamespacedName("shop", "api"), (), "api", {"app": "api"}, "node-1", enrolled=True, redirected=True)
PEER = Workload(NamespacedName("shop", "web"), (), "web", {}, "node-2", enrolled=True, redirected=True)
STRANGER = msgspec.structs.replace(PEER, enrolled=False, redirected=False)
HTTP = Service(
    metadata=ObjectMeta(name="api", namespace="shop"),
    spec=ServiceSpec(selector={"app": "api"}, ports=(ServicePort(80, "http", target_port=8080),)),
)


def identity(text: str) -> tuple[Pattern, ...]:
    return (read(text),)


def allow(*rules: Rule) -> Policy:
    return Policy(NamespacedName("shop", "x"), Action.ALLOW, rules)


def mesh(*policies: Policy, strict: TransportPolicySpec | None = None, tokens: tuple[TokenPolicy, ...] = ()) -> Mesh:
    transports = (
        () if strict is None else (TransportPolicy(metadata=ObjectMeta(name="t", namespace="shop"), spec=strict),)
    )
    authorization = Authorization(policies, tokens, (HTTP,))
    return Mesh(authorization, Transport(transports), lambda kind, key, path: f"{kind} {key} {path}", is_planned=False)


def of(
    one: Workload | None, found: Mesh, port: int = 9090, request: Request | None = None, address: str = "10.0.0.9"
) -> MeshLine:
    return judge(Client(one, (address,)), SERVER, port, found, request)


WEB_ALONE = mesh(allow(Rule(sources=(Source(identities=identity(WEB)),))))


def test_an_identity_is_admitted_and_another_is_not() -> None:
    assert of(PEER, WEB_ALONE).verdict is Verdict.ALLOWED
    other = msgspec.structs.replace(PEER, service_account="other")
    found = of(other, WEB_ALONE)
    assert (found.verdict, found.status) == (Verdict.NOT_ALLOWED, 0)
    assert found.client_identity == "spiffe://cluster.local/ns/shop/sa/other"
    assert of(None, WEB_ALONE).verdict is Verdict.NOT_ALLOWED


@pytest.mark.parametrize(
    ("node", "verdict"),
    [("node-1", Verdict.ALLOWED), ("node-2", Verdict.NOT_ALLOWED), ("", Verdict.UNDECIDABLE)],
)
def test_a_pod_that_is_not_enrolled_has_an_identity_on_its_own_node_alone(node: str, verdict: Verdict) -> None:
    assert of(msgspec.structs.replace(STRANGER, node=node), WEB_ALONE).verdict is verdict


def test_strict_refuses_plain_text_but_for_ports_with_a_mode_of_their_own() -> None:
    spec = TransportPolicySpec(selector=LabelSelector(), mode=STRICT, ports=(TransportPort(9091),))
    found = mesh(strict=spec)
    assert of(STRANGER, found).verdict is Verdict.NOT_ALLOWED
    assert of(STRANGER, found, 9091).verdict is Verdict.ALLOWED
    assert of(PEER, found).verdict is Verdict.ALLOWED
    near = msgspec.structs.replace(PEER, node="node-1", redirected=False)
    assert of(near, found).verdict is Verdict.ALLOWED
    probe = judge(Client(None, ("10.0.0.1",), may_be_own=True), SERVER, 9090, found)
    assert probe.verdict is Verdict.UNDECIDABLE


def test_a_refusal_is_not_certain_before_the_node_redirects_the_server() -> None:
    server = msgspec.structs.replace(SERVER, redirected=False)
    other = msgspec.structs.replace(PEER, service_account="other")
    assert judge(Client(other, ("10.0.0.9",)), server, 9090, WEB_ALONE).verdict is Verdict.UNDECIDABLE


def test_policies_that_may_not_be_read_allow_nothing_for_certain() -> None:
    assert of(PEER, msgspec.structs.replace(WEB_ALONE, unreadable=("authorizationpolicies",))).verdict is (
        Verdict.UNDECIDABLE
    )


GET = Rule(operations=(Operation(methods=(read("GET"),)),))


def test_a_rule_about_requests_needs_a_request_where_these_are_read() -> None:
    found = mesh(allow(GET))
    assert of(PEER, found, 8080).verdict is Verdict.UNDECIDABLE
    assert of(PEER, found, 8080, Request("GET")).verdict is Verdict.ALLOWED
    refused = of(PEER, found, 8080, Request("POST"))
    assert (refused.verdict, refused.status) == (Verdict.NOT_ALLOWED, REFUSED)
    unread = of(PEER, found, 9090, Request("GET"))
    assert (unread.verdict, unread.status) == (Verdict.NOT_ALLOWED, 0)


def test_a_path_that_is_escaped_twice_is_refused_where_a_rule_compares_paths() -> None:
    found = mesh(allow(Rule(operations=(Operation(paths=(read("/*"),)),))))
    assert of(PEER, found, 8080, Request(path="/a")).verdict is Verdict.ALLOWED
    assert of(PEER, found, 8080, Request(path="/%252e")).verdict is Verdict.NOT_ALLOWED


def test_tokens_are_not_verified_here() -> None:
    tokens = (TokenPolicy(NamespacedName("shop", "t"), (Issuer("https://id.example.com"),)),)
    found = mesh(allow(GET), tokens=tokens)
    assert of(PEER, found, 8080, Request("GET")).verdict is Verdict.ALLOWED
    with_one = Request("GET", headers=(("authorization", "Bearer x"),))
    assert of(PEER, found, 8080, with_one).verdict is Verdict.UNDECIDABLE


def test_a_range_decides_by_each_address_that_the_client_may_have() -> None:
    found = mesh(allow(Rule(sources=(Source(addresses=("10.0.0.0/24",)),))))
    assert of(PEER, found).verdict is Verdict.ALLOWED
    assert of(PEER, found, address="10.1.0.9").verdict is Verdict.NOT_ALLOWED
    assert judge(Client(PEER, ("10.0.0.9", "10.1.0.9")), SERVER, 9090, found).verdict is Verdict.UNDECIDABLE
