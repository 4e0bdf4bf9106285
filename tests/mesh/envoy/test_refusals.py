"""No listener of the mesh lets a connection through because a choice inside of another one is none."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import msgspec
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from google.protobuf import wrappers_pb2
from xds.type.matcher.v3 import ip_pb2

from podwire.edge.envoy.message import INVALID_CLUSTER
from podwire.edge.xds.resource import LISTENER, Resource
from podwire.kube.gateway_api import PROXIES
from podwire.kube.meta import LabelSelector, NamespacedName, ObjectMeta
from podwire.mesh.authorization import reading
from podwire.mesh.authorization.selection import Authorization
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.envoy import matching
from podwire.mesh.envoy.listeners import listeners
from podwire.mesh.envoy.node_workloads import NodeWorkloads
from podwire.mesh.envoy.routed import RoutedService, resources
from podwire.mesh.kinds.authorization_policy import (
    AuthorizationPolicy,
    AuthorizationPolicySpec,
    AuthorizationRule,
    RuleOperation,
    RuleSource,
)
from podwire.mesh.kinds.transport_policy import STRICT, TransportPolicy, TransportPolicySpec, TransportPort
from podwire.mesh.model.workload import Workload
from podwire.mesh.routes.frontends import Frontend

WEB, STRANGER, FAR, TWICE, OTHER = (f"10.244.{node}.{last}" for node, last in ((1, 5), (1, 6), (2, 5), (1, 7), (1, 8)))


def pod(name: str, address: str, *, enrolled: bool = True) -> Workload:
    return Workload(
        NamespacedName("shop", name), (ipaddress.ip_address(address),), name, {"app": name}, enrolled=enrolled
    )


def node() -> NodeWorkloads:
    rule = AuthorizationRule(sources=(RuleSource(identities=("shop/web",)),), operations=(RuleOperation(ports=(80,)),))
    policy = AuthorizationPolicy(
        metadata=ObjectMeta(name="a", namespace="shop"), spec=AuthorizationPolicySpec(rules=(rule,))
    )
    ports = (TransportPort(port=8080), TransportPort(port=9090, mode=STRICT))
    strict = TransportPolicy(
        metadata=ObjectMeta(name="a", namespace="shop"),
        spec=TransportPolicySpec(selector=LabelSelector(match_labels={"app": "web"}), mode=STRICT, ports=ports),
    )
    return NodeWorkloads(
        "cluster.local",
        (pod("web", WEB), pod("stranger", STRANGER, enrolled=False)),
        (pod("far", FAR),),
        Authorization((reading.read(policy).policy,)),
        Transport((strict,)),
        frozenset({ipaddress.ip_address(TWICE)}),
    )


def made(resources: Iterator[Resource] | tuple[Resource, ...]) -> dict[str, Any]:
    found = (one for one in resources if one.key[0] == LISTENER)
    return {one.key[1]: listener_pb2.Listener.FromString(one.body) for one in found}


def matchers(matcher: Any) -> Iterator[Any]:
    """Every matcher that is a choice of this one, and those of theirs."""
    choices = [*matcher.matcher_tree.exact_match_map.map.values(), *(one.on_match for one in ranges(matcher))]
    choices += [one.on_match for one in matcher.matcher_list.matchers]
    for one in (*choices, matcher.on_no_match):
        if one.HasField("matcher"):
            yield one.matcher
            yield from matchers(one.matcher)


def ranges(matcher: Any) -> Any:
    """Choices that addresses share."""
    return ip_pb2.IPMatcher.FromString(matcher.matcher_tree.custom_match.typed_config.value).range_matchers


def chosen(listener: Any, destination: str, source: str) -> str:
    """The chain of a connection where addresses alone decide."""
    matcher = listener.filter_chain_matcher
    while True:
        choices = dict(matcher.matcher_tree.exact_match_map.map)
        choices |= {address.address_prefix: one.on_match for one in ranges(matcher) for address in one.ranges}
        by_source = "SourceIPInput" in matcher.matcher_tree.input.typed_config.type_url
        found = choices.get(source if by_source else destination, matcher.on_no_match)
        if not found.HasField("matcher"):
            return str(wrappers_pb2.StringValue.FromString(found.action.typed_config.value).value)
        matcher = found.matcher


def test_a_choice_inside_of_another_one_is_never_left_to_the_outer_one() -> None:
    routed = RoutedService((ipaddress.ip_address("10.96.0.1"),), (Frontend("shop", "web", 80, ""),))
    found = {**made(listeners(node(), (4, 6))), **made(resources((routed,), {}, (4, 6)))}
    assert len(found) == 10
    inner = [one for listener in found.values() for one in matchers(listener.filter_chain_matcher)]
    assert len(inner) > 5
    assert all(one.HasField("on_no_match") for one in inner)


def test_a_choice_without_a_rest_refuses_what_it_does_not_name() -> None:
    one = matching.nested(matching.by_port({"80": matching.chain("a")}))
    action = one.matcher.on_no_match.action.typed_config
    assert wrappers_pb2.StringValue.FromString(action.value).value == matching.REFUSED


def test_what_is_refused_is_closed_and_logged_in_every_listener() -> None:
    for name, listener in made(listeners(node(), (4,))).items():
        if name in ("mesh-self", "mesh-opened", "mesh-opened-tls"):  # nothing is refused there
            continue
        (chain,) = (one for one in listener.filter_chains if one.name == matching.REFUSED)
        (only,) = chain.filters
        proxy = tcp_proxy_pb2.TcpProxy.FromString(only.typed_config.value)
        assert proxy.cluster == INVALID_CLUSTER, name
        assert proxy.access_log, name


def test_an_address_of_two_pods_is_nobodys() -> None:
    found = made(listeners(node(), (4,)))
    assert chosen(found["mesh-inbound"], WEB, TWICE) == matching.REFUSED
    assert chosen(found["mesh-leg"], TWICE, WEB) == matching.REFUSED
    assert chosen(found["mesh-leg"], WEB, TWICE) == matching.REFUSED
    assert chosen(found["mesh-inside"], TWICE, WEB) == matching.REFUSED
    assert chosen(found["mesh-leg"], "10.244.3.3", WEB) == "plain"
    assert "shop/sa/stranger" in chosen(found["mesh-leg"], WEB, STRANGER)


def test_a_pod_more_adds_the_same_however_many_there_are() -> None:
    everywhere = TransportPolicy(
        metadata=ObjectMeta(name="a", namespace=PROXIES), spec=TransportPolicySpec(mode=STRICT)
    )

    def sizes(count: int) -> dict[str, int]:
        pods = tuple(pod("web", f"10.244.1.{last}") for last in range(1, count + 1))
        some = NodeWorkloads("cluster.local", pods, transport=Transport((everywhere,)))
        return {name: one.ByteSize() for name, one in made(listeners(some, (4,))).items()}

    few, many = sizes(50), sizes(200)
    assert {name for name, size in many.items() if size > 5 * few[name]} == set()


def test_a_pod_requests_of_itself_and_of_others_by_its_own_identity() -> None:
    two = msgspec.structs.replace(
        node(), pods=(pod("web", WEB), pod("other", OTHER), pod("stranger", STRANGER, enrolled=False))
    )
    leg = made(listeners(two, (4,)))["mesh-leg"]
    assert chosen(leg, WEB, WEB) == "mesh-self"
    assert chosen(leg, OTHER, WEB) == "client spiffe://cluster.local/ns/shop/sa/web"
    assert chosen(leg, WEB, OTHER) == "client spiffe://cluster.local/ns/shop/sa/other"
    assert chosen(leg, STRANGER, STRANGER) == "plain"
    assert chosen(leg, FAR, WEB) == "spiffe://cluster.local/ns/shop/sa/far"


def test_strict_pods_take_plain_text_of_their_nodes_enrolled_pods_only() -> None:
    (strict,) = node().transport.policies
    whole = msgspec.structs.replace(strict, spec=msgspec.structs.replace(strict.spec, ports=()))
    two = msgspec.structs.replace(
        node(),
        pods=(pod("web", WEB), pod("other", OTHER), pod("stranger", STRANGER, enrolled=False)),
        transport=Transport((whole,)),
    )
    inbound = made(listeners(two, (4,)))["mesh-inbound"]
    assert chosen(inbound, WEB, OTHER) == "client spiffe://cluster.local/ns/shop/sa/other"
    assert chosen(inbound, WEB, STRANGER) == chosen(inbound, WEB, "192.0.2.1") == matching.REFUSED
    assert chosen(inbound, OTHER, STRANGER) == "client spiffe://cluster.local/ns/shop/sa/stranger"
    assert chosen(inbound, OTHER, "192.0.2.1") == "unknown"
