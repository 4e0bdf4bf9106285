import socket

from podwire.kube.pod_workloads import Workload
from podwire.policy.default_deny import DEFAULT_DENY
from podwire.policy.flows import record
from podwire.policy.flows.record import (
    L4,
    Endpoint,
    L4Ports,
    OriginalDestination,
    PolicyReference,
    ServiceName,
    decode,
    encode,
)
from tests.policy.flows.packets import (
    CLIENT,
    FAR,
    NOBODY,
    SERVER,
    SERVICE,
    UNKNOWN,
    cluster,
    packet,
    scene,
    without_policies,
)

WEB = Endpoint(
    "x", ("k8s:app=web", "k8s:pod=web-5d-q1", "k8s:pod-template-hash=5d"), "web-5d-q1", (Workload("web", "Deployment"),)
)
PEER = Endpoint("x", ("k8s:app=far", "k8s:pod=far"), "far", (Workload("far", "Pod"),))


def test_a_dropped_connection_names_both_ends_and_the_policies_that_isolate() -> None:
    flow = scene(cluster()).flow(packet("ingress", FAR, SERVER, port=81), now=99.0)
    assert (flow.time, flow.verdict, flow.node_name) == ("1970-01-01T00:00:00.500000Z", "DROPPED", "node-1")
    assert (flow.traffic_direction, flow.drop_reason_desc) == ("INGRESS", "POLICY_DENIED")
    assert (flow.source, flow.destination) == (PEER, WEB)
    assert flow.l4 == L4(tcp=L4Ports(40000, 81))
    assert flow.ingress_denied_by == (PolicyReference("deny", "x"), PolicyReference("web", "x"))
    assert (flow.egress_denied_by, flow.egress_allowed_by, flow.ingress_allowed_by) == ((), (), ())
    assert flow.summary == "dropped by isolation of policies x/deny, x/web: no rule admits"


def test_the_direction_decides_whose_policies_are_blamed() -> None:
    flow = scene(cluster()).flow(packet("egress", CLIENT, FAR), now=99.0)
    assert flow.egress_denied_by == (PolicyReference("deny", "x"),)
    assert flow.ingress_denied_by == ()
    assert flow.summary == "dropped by isolation of policy x/deny: no rule admits"


def test_an_admitted_connection_names_the_rule() -> None:
    flow = scene(cluster()).flow(packet("allowed", FAR, SERVER), now=99.0)
    assert (flow.verdict, flow.traffic_direction, flow.drop_reason_desc) == ("FORWARDED", "INGRESS", "")
    assert flow.ingress_allowed_by == (PolicyReference("web", "x", rule="ingress[1]"),)
    assert flow.ingress_denied_by == ()
    assert flow.summary == "admitted by x/web ingress[1]"


def test_rules_that_have_changed_blame_nobody() -> None:
    """The view is newer than the rows that dropped the packet."""
    flow = scene(cluster()).flow(packet("ingress", FAR, SERVER), now=99.0)
    assert (flow.verdict, flow.ingress_denied_by) == ("DROPPED", ())
    assert flow.summary == "dropped by rules that have changed since"


def test_a_service_is_named_with_its_port() -> None:
    flow = scene(cluster()).flow(packet("egress", CLIENT, SERVER, port=8080, original=(SERVICE, 80)), now=99.0)
    assert flow.destination_service == ServiceName("web", "x")
    assert flow.original_destination == OriginalDestination(SERVICE, 80)
    assert flow.l4.port == 8080
    direct = scene(cluster()).flow(packet("egress", CLIENT, SERVER, original=(SERVER, 80)), now=99.0)
    assert (direct.destination_service, direct.original_destination) == (None, None)


def test_an_address_that_is_no_pod_stays_an_address_and_a_closed_pod_has_no_policy_to_blame() -> None:
    flow = scene(cluster()).flow(packet("closed", NOBODY, SERVER), now=99.0)
    assert (flow.source, flow.addresses.source) == (Endpoint(), NOBODY)
    assert (flow.traffic_direction, flow.drop_reason_desc) == ("INGRESS", "INVALID_IDENTITY")
    assert (flow.ingress_denied_by, flow.summary) == ((), "closed: no rule knows this pod yet")
    assert scene(cluster()).flow(packet("closed", CLIENT, NOBODY), now=99.0).traffic_direction == record.EGRESS


def test_protocols_without_ports_have_none() -> None:
    flow = scene(cluster()).flow(packet("egress", CLIENT, FAR, socket.IPPROTO_ICMP, None), now=99.0)
    assert (flow.l4.protocol, flow.l4.port) == ("ICMPv4", None)
    assert scene(cluster()).flow(packet("egress", CLIENT, FAR, 89, None), now=99.0).l4 == L4()


def test_a_line_is_read_back_as_it_was_and_has_hubbles_names() -> None:
    flow = scene(cluster()).flow(packet("ingress", FAR, SERVER, port=81), now=99.0)
    line = encode(flow)
    assert line.endswith(b"\n")
    assert decode(line) == flow
    for name in (b'"IP":{"source":', b'"l4":{"TCP":{"source_port":40000', b'"Type":"L3_L4"', b'"ingress_denied_by":'):
        assert name in line


def test_labels_are_read_back_without_hubbles_prefix() -> None:
    assert WEB.plain_labels == {"app": "web", "pod-template-hash": "5d", "pod": "web-5d-q1"}


DENY_WEB = """
tier: Admin
priority: 1
subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}}
ingress:
- {name: far, action: ACTION, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: far}}}}]}
"""


def test_a_cluster_network_policy_that_decides_is_named_with_its_rule() -> None:
    known = cluster()
    known.cluster_policy("guard", DENY_WEB.replace("ACTION", "Deny"))
    flow = scene(known).flow(packet("ingress", FAR, SERVER), now=99.0)
    assert flow.ingress_denied_by == (PolicyReference("guard", kind="ClusterNetworkPolicy", rule="ingress[0]"),)
    assert flow.summary == "dropped by ClusterNetworkPolicy guard ingress[0]: it denies"
    known.cluster_policy("guard", DENY_WEB.replace("ACTION", "Accept"))
    flow = scene(known).flow(packet("allowed", FAR, SERVER, port=81), now=99.0)
    assert flow.ingress_allowed_by == (PolicyReference("guard", kind="ClusterNetworkPolicy", rule="ingress[0]"),)
    assert flow.summary == "admitted by guard ingress[0]"


def test_a_pod_that_is_not_known_yet_is_named_as_the_reason() -> None:
    known = cluster()
    known.cluster_policy("guard", DENY_WEB.replace("ACTION", "Deny"))
    flow = scene(known).flow(packet("ingress", UNKNOWN, SERVER), now=99.0)
    assert (flow.source, flow.ingress_denied_by) == (Endpoint(), ())
    assert flow.summary.startswith("closed: the other end is a pod that this node does not know yet")


def test_default_deny_is_no_policy_of_the_cluster() -> None:
    flow = scene(without_policies(DEFAULT_DENY)).flow(packet("ingress", FAR, SERVER), now=99.0)
    assert flow.summary == "dropped by --default-deny: no policy allows it"
