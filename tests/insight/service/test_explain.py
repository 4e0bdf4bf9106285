"""The explanation of a Service: golden texts, and each finding with the state that has none."""

from typing import Any

import msgspec
import pytest

from podwire.insight.pod_reading import PodReading
from podwire.insight.service.explain import explain
from podwire.insight.service.objects import EventReading, ServiceObjects
from podwire.insight.service.reading import missing
from podwire.insight.service.report import Finding, Severity
from podwire.insight.service.text import text
from podwire.kube.core import Node, NodeAddress, NodeStatus
from podwire.kube.discovery import EndpointHints, EndpointPort, ForZone
from podwire.kube.meta import Condition, LabelSelector, NamespacedName, ObjectMeta
from podwire.kube.networking import NetworkPolicy, NetworkPolicySpec
from podwire.kube.services import (
    ClientIPConfig,
    LoadBalancerIngress,
    LoadBalancerStatus,
    ServicePort,
    ServiceStatus,
    SessionAffinityConfig,
)
from tests.insight.service.scene import SETTINGS, endpoint, node, pod, report, scene, service, slices

CLUSTER_IP = """\
Service shop/web
  answer    clients are served
  type      ClusterIP
  selector  app=web

FRONTEND    ADDRESS    PORT    NAME
cluster IP  10.96.0.7  80/TCP  http

ON node-1, node-2
  http: 80/TCP to target port 8080, IPv4
    cluster address  1 endpoint, policy Cluster, source kept
    ENDPOINT         POD         NODE    ZONE  STATE      CLUSTER ADDRESS
    10.244.1.1:8080  shop/web-1  node-1  -     ready      used
    10.244.2.2:8080  shop/web-2  node-2  -     not ready  not ready

FINDINGS
  warning  web-2 of 2 pods is not ready: container web waits: ImagePullBackOff (no such image).
           See 'kubectl -n shop describe pod web-2'.
"""

LOCAL = """\
Service shop/web
  answer                 clients are served
  type                   LoadBalancer
  selector               app=web
  externalTrafficPolicy  Local
  sessionAffinity        ClientIP, 10800 s
  healthCheckNodePort    31000

FRONTEND          ADDRESS       PORT       NAME
cluster IP        10.96.0.7     80/TCP     http
load balancer IP  172.18.254.1  80/TCP     http
node port         every node    30080/TCP  http

ON node-1 (zone a)
  node ports on 172.18.0.2
  http: 80/TCP to target port 8080, IPv4
    cluster address  1 endpoint, policy Cluster, source kept
    from outside     1 endpoint, policy Local, source kept
    ENDPOINT         POD         NODE    ZONE  STATE                 CLUSTER ADDRESS   FROM OUTSIDE
    10.244.1.1:8080  shop/web-1  node-1  a     ready                 used              used
    10.244.1.3:8080  shop/web-3  node-1  -     terminating, serving  others are ready  others are ready

ON node-2 (zone b), node-3 (zone b)
  node ports on 172.18.0.3, 172.18.0.4
  http: 80/TCP to target port 8080, IPv4
    cluster address  1 endpoint, policy Cluster, source kept
    from outside     dropped: the policy is Local, and no endpoint is on the node
    ENDPOINT         POD         NODE    ZONE  STATE                 CLUSTER ADDRESS   FROM OUTSIDE
    10.244.1.1:8080  shop/web-1  node-1  a     ready                 used              on another node
    10.244.1.3:8080  shop/web-3  node-1  -     terminating, serving  others are ready  on another node

FINDINGS
  note     externalTrafficPolicy is Local, and node-2, node-3 have no endpoint: connections from outside to these nodes are dropped; load balancers see that by port 31000.
           Run a pod on each of these nodes (a DaemonSet does), or set the policy to Cluster.
"""  # noqa: E501

REFUSED = """\
Service shop/web
  answer    The selector app=shop matches no pod of namespace shop: nothing answers
  type      ClusterIP
  selector  app=shop

FRONTEND    ADDRESS    PORT    NAME
cluster IP  10.96.0.7  80/TCP  http

ON node-1, node-2
  http: 80/TCP to target port 8080, IPv4
    cluster address  refused: no endpoint of the cluster is usable

FINDINGS
  error    The selector app=shop matches no pod of namespace shop: nothing answers.
           Label pods app=shop, or change spec.selector; the closest are web-1, web-2 (app=web).
"""

PLAIN = ServicePort(name="http", port=80, target_port=8080)


def ready_node(number: int) -> Node:
    plain = node(number)
    ready = Condition(type="Ready", status="True")
    return msgspec.structs.replace(plain, status=msgspec.structs.replace(plain.status, conditions=(ready,)))


def without_findings(objects: ServiceObjects) -> bool:
    return report(objects).findings == ()


def reasons(objects: ServiceObjects, **settings: Any) -> list[str]:
    return [finding.reason for finding in report(objects, **settings).findings]


def only(objects: ServiceObjects, reason: str, **settings: Any) -> Finding:
    """The finding with this reason; there must be one."""
    (found,) = [one for one in report(objects, **settings).findings if one.reason == reason]
    return found


def test_text_of_a_service_with_a_pod_that_is_not_ready() -> None:
    pods = (pod("web-1"), pod("web-2", ready=False, waits="ImagePullBackOff"))
    objects = scene(service(ports=(PLAIN,)), endpoint(1, 1), endpoint(2, 2, "unready"), pods=pods)
    assert text(report(objects)) == CLUSTER_IP


def test_text_of_a_load_balancer_with_local_policy() -> None:
    of = service(
        type="LoadBalancer",
        external_traffic_policy="Local",
        balanced="172.18.254.1",
        health_check_node_port=31000,
        session_affinity="ClientIP",
    )
    nodes = (node(1, "a"), node(2, "b"), node(3, "b"))
    assert text(report(scene(of, endpoint(1, 1, zone="a"), endpoint(3, 1, "ending"), nodes=nodes))) == LOCAL


def test_text_of_a_service_that_selects_no_pod() -> None:
    objects = scene(service(ports=(PLAIN,), selector={"app": "shop"}), slices=(slices(),))
    assert text(report(objects)) == REFUSED


def test_of_many_endpoints_those_that_are_not_used_are_counted() -> None:
    of = service(internal_traffic_policy="Local", ports=(PLAIN,))
    shown = text(report(scene(of, *[endpoint(number, 1 + number % 2) for number in range(60)], nodes=(node(1),))))
    assert shown.count("10.244.1.") == 20
    assert "10.244.2." not in shown
    assert "    and 10 more that are used\n    and 30 that are not: on another node\n" in shown


def test_one_node_of_many() -> None:
    of = scene(service(type="NodePort", external_traffic_policy="Local"), endpoint(1, 1))
    (line,) = explain(of, SETTINGS, "node-2").nodes
    assert [one.name for one in line.nodes] == ["node-2"]


def test_a_healthy_service_has_no_finding() -> None:
    assert without_findings(scene(service()))


def test_the_report_is_the_same_after_json() -> None:
    made = report(scene(service()))
    assert msgspec.json.decode(msgspec.json.encode(made), type=type(made)) == made


@pytest.mark.parametrize(
    ("pods", "severity", "says"),
    [
        ((pod("a"), pod("b", ready=False)), Severity.WARNING, "b of 2 pods is not ready: condition Ready is False"),
        ((pod("a", ready=False), pod("b", ready=False)), Severity.ERROR, "a, b of 2 pods are not ready"),
    ],
)
def test_pods_that_are_not_ready(pods: tuple[PodReading, ...], severity: Severity, says: str) -> None:
    found = only(scene(service(), pods=pods), "PodNotReady")
    assert (found.severity, says in found.text) == (severity, True)


def test_unready_pods_are_published_on_request() -> None:
    pods = (pod("a"), pod("b", ready=False))
    assert reasons(scene(service(publish_not_ready_addresses=True), pods=pods)) == ["NotReadyPublished"]


def test_a_target_port_that_no_container_names() -> None:
    ports = (ServicePort(name="http", port=80, target_port="web"),)
    found = only(scene(service(ports=ports)), "TargetPortMissing")
    assert "named 'web'" in found.text
    assert "http (TCP 8080)" in found.remedy
    named = (ServicePort(name="http", port=80, target_port="http"),)
    assert without_findings(scene(service(ports=named)))


def test_a_port_that_no_slice_has() -> None:
    objects = scene(service(selector={}), slices=(slices(endpoint(1, 1), ports=(EndpointPort(name="web", port=80),)),))
    found = only(objects, "PortInNoSlice")
    assert found.severity is Severity.ERROR
    assert "web (TCP)" in found.remedy


def test_a_family_without_endpoints() -> None:
    both = service(cluster_ips=("10.96.0.7", "fd00:10:96::7"))
    assert "IPv6" in only(scene(both), "NoEndpointOfFamily").text


def test_a_service_without_selector_and_without_slices() -> None:
    assert reasons(scene(service(selector={}), slices=())) == ["NoEndpointSlice"]
    assert without_findings(scene(service(selector={})))


def test_an_endpoint_on_an_address_that_no_service_may_lead_to() -> None:
    bad = msgspec.structs.replace(endpoint(1, 1), addresses=("127.0.0.1",))
    assert "127.0.0.1" in only(scene(service(), bad, endpoint(2, 2)), "AddressNotAllowed").text


def test_the_node_that_announces_a_load_balancers_address() -> None:
    of = service(type="LoadBalancer", external_traffic_policy="Local", balanced="172.18.254.1")
    ready = tuple(ready_node(number) for number in (1, 2))
    ranges = ("172.18.254.0/24",)

    def announced(objects: ServiceObjects, ranges: tuple[str, ...] = ranges) -> list[str | None]:
        return [line.announcer for line in explain(objects, SETTINGS, announced_ranges=ranges).frontends]

    assert announced(scene(of, endpoint(1, 2), nodes=ready)) == [None, "node-2", None]
    assert announced(scene(of, slices=(), nodes=ready)) == [None, "", None]
    assert announced(scene(of, nodes=ready), ("192.0.2.0/24",)) == [None, None, None]
    shown = text(explain(scene(of, endpoint(1, 2), nodes=ready), SETTINGS, announced_ranges=ranges))
    assert "load balancer IP  172.18.254.1  80/TCP     http  announced by node-2" in shown


def test_a_condition_with_a_message_is_a_finding() -> None:
    of = service()
    condition = Condition(type="podwire.dev/Served", status="False", reason="SCTPNotSupported", message="no SCTP here")
    of = msgspec.structs.replace(of, status=ServiceStatus(conditions=(condition,)))
    assert "no SCTP here" in only(scene(of), "SCTPNotSupported").text


def test_node_ports_are_at_addresses_of_the_services_families() -> None:
    both = msgspec.structs.replace(
        node(1),
        status=NodeStatus(
            addresses=tuple(NodeAddress(type="InternalIP", address=one) for one in ("172.18.0.2", "fd00:172:18::2"))
        ),
    )
    (line,) = report(scene(service(type="NodePort"), nodes=(both,))).nodes
    assert line.nodes[0].node_port_addresses == ("172.18.0.2",)


def test_only_terminating_endpoints_are_left() -> None:
    assert reasons(scene(service(), endpoint(1, 1, "ending"))) == ["OnlyTerminating"]


def test_internal_policy_local_on_a_node_without_endpoints() -> None:
    found = only(scene(service(internal_traffic_policy="Local"), endpoint(1, 1)), "NoLocalEndpoint")
    assert "internalTrafficPolicy is Local, and node-2 has no endpoint" in found.text


def test_load_balancers_that_wait() -> None:
    waiting = scene(service(type="LoadBalancer"))
    assert "no provider has reported" in only(waiting, "LoadBalancerPending").text
    warned = EventReading(type="Warning", reason="NoAddress", message="the pool is used up")
    assert "the pool is used up" in only(msgspec.structs.replace(waiting, events=(warned,)), "LoadBalancerPending").text
    classed = scene(service(type="LoadBalancer", load_balancer_class="example.com/x"))
    assert "class example.com/x" in only(classed, "LoadBalancerPending").text
    assert without_findings(scene(service(type="LoadBalancer", balanced="172.18.254.1")))


def test_source_ranges_leave_node_ports_open() -> None:
    guarded: dict[str, Any] = {
        "type": "LoadBalancer",
        "balanced": "172.18.254.1",
        "load_balancer_source_ranges": ("10.0.0.0/8",),
    }
    assert reasons(scene(service(**guarded))) == ["NodePortsUnguarded"]
    assert [line.sources for line in report(scene(service(**guarded))).frontends] == [None, ("10.0.0.0/8",), None]
    assert "http  clients in 10.0.0.0/8 only\n" in text(report(scene(service(**guarded))))
    assert without_findings(scene(service(ports=(PLAIN,), **guarded)))


def test_a_load_balancer_that_is_a_proxy() -> None:
    of = service(type="LoadBalancer")
    ingress = (LoadBalancerIngress(ip="172.18.254.1", ip_mode="Proxy"),)
    of = msgspec.structs.replace(of, status=ServiceStatus(load_balancer=LoadBalancerStatus(ingress=ingress)))
    assert reasons(scene(of)) == ["LoadBalancerProxy"]
    assert "172.18.254.1" not in text(report(scene(of)))


def test_external_ips_have_an_effect_where_the_agents_allow_them() -> None:
    objects = scene(service(external_ips=("192.0.2.1",)))
    assert reasons(objects) == ["ExternalIPsOff"]
    assert reasons(objects, allow_external_ips=True) == []
    assert "192.0.2.1" in {line.address for line in report(objects, allow_external_ips=True).frontends}


def test_of_two_services_over_one_address_the_older_one_has_it() -> None:
    own = service(created="2026-01-02T00:00:00Z")
    elder = service("older", "2026-01-01T00:00:00Z")
    found = only(scene(own, services=(own, elder)), "AddressConflict")
    assert (found.severity, "Service shop/older" in found.text, "it is older" in found.text) == (
        Severity.ERROR, True, True,
    )  # fmt: skip
    assert only(scene(elder, services=(own, elder)), "AddressConflict").severity is Severity.NOTE
    apart = service("older", ports=(PLAIN,), cluster_ip="10.96.0.8")
    assert without_findings(scene(own, services=(own, apart)))


def test_an_affinity_timeout_between_two_classes() -> None:
    config = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=100))
    odd = service(session_affinity="ClientIP", session_affinity_config=config)
    assert "100 s; 120 s are in effect" in only(scene(odd), "AffinityRounded").text
    assert ("sessionAffinity", "ClientIP, 100 s (120 s in effect)") in report(scene(odd)).settings
    assert without_findings(scene(service(session_affinity="ClientIP")))


def test_policies_over_the_pods_are_named() -> None:
    def policy(name: str, *types: str, app: str = "web") -> NetworkPolicy:
        selector = LabelSelector(match_labels={"app": app})
        spec = NetworkPolicySpec(pod_selector=selector, policy_types=types)
        return NetworkPolicy(metadata=ObjectMeta(name=name, namespace="shop"), spec=spec)

    policies = (
        policy("closed"),
        policy("both", "Ingress", "Egress"),
        policy("out", "Egress"),
        policy("x", app="other"),
    )
    assert "NetworkPolicy both, closed:" in only(scene(service(), policies=policies), "NetworkPolicy").text
    assert without_findings(scene(service(), policies=policies[2:]))


def test_topology_hints_of_no_effect() -> None:
    hinted = [
        msgspec.structs.replace(endpoint(number, number), hints=EndpointHints(for_zones=(ForZone(name=zone),)))
        for number, zone in ((1, "a"), (2, "b"))
    ]
    near = service(traffic_distribution="PreferClose")
    zoned = (node(1, "a"), node(2, "b"))
    assert without_findings(scene(near, *hinted, nodes=zoned))
    assert "node-2 has no zone" in only(scene(near, *hinted, nodes=(node(1, "a"), node(2))), "TopologyIgnored").text
    assert "has no hint" in only(scene(near, nodes=zoned), "TopologyIgnored").text
    annotations = {"service.kubernetes.io/topology-mode": "Auto"}
    old = msgspec.structs.replace(service(), metadata=ObjectMeta(name="web", namespace="shop", annotations=annotations))
    assert without_findings(scene(old, *hinted, nodes=zoned))
    assert "topology-mode is Auto, but node-1, node-2" in only(scene(old, nodes=zoned), "TopologyIgnored").text
    assert "meant for these" in only(scene(near, *hinted, nodes=(*zoned, node(3, "c"))), "TopologyIgnored").text


@pytest.mark.parametrize(
    ("changes", "labels", "reason"),
    [
        ({"type": "ExternalName", "external_name": "example.com"}, {}, "ExternalName"),
        ({"cluster_ip": "None"}, {}, "Headless"),
        ({}, {"service.kubernetes.io/service-proxy-name": "other"}, "OtherProxy"),
        ({}, {"service.kubernetes.io/headless": ""}, "HeadlessLabel"),
    ],
)
def test_services_that_no_proxy_serves(changes: dict[str, Any], labels: dict[str, str], reason: str) -> None:
    of = service(**changes)
    of = msgspec.structs.replace(of, metadata=msgspec.structs.replace(of.metadata, labels=labels))
    made = report(scene(of))
    assert reason in [one.reason for one in made.findings]
    assert not made.frontends
    assert not made.nodes


def test_the_addresses_of_a_headless_name() -> None:
    headless = service(cluster_ip="None")
    assert "10.244.1.1, 10.244.2.2" in only(scene(headless), "NameHasAddresses").text
    assert only(scene(headless, slices=()), "NameHasNoAddress").severity is Severity.ERROR


def test_what_may_not_be_listed_is_named() -> None:
    assert "nodes" in only(scene(service(), nodes=(), unreadable=("nodes",)), "NotReadable").text


def test_the_error_for_an_unknown_name_helps() -> None:
    wanted = NamespacedName("a", "web")
    others = [NamespacedName("b", "web"), NamespacedName("a", "db")]
    assert missing(wanted, others).endswith("there is b/web")
    assert missing(wanted, others[1:]).endswith("namespace a has db")
    assert missing(wanted, []).endswith("namespace a has none")
