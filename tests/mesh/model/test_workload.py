"""Pods as workloads of the mesh."""

from __future__ import annotations

import ipaddress

from podwire.kube.core import Pod, PodIP, PodSpec, PodStatus
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.mesh.model.workload import Workload, doubtful, without, workload
from podwire.redirection.enrolment import DISABLED, ENABLED, LABEL, REDIRECTED

IN_THE_MESH = {LABEL: ENABLED}


def pod(*addresses: str, account: str = "", host: bool = False, phase: str = "Running", redirected: str = "") -> Pod:
    return Pod(
        metadata=ObjectMeta(
            name="web", namespace="shop", labels={"app": "web"} | ({REDIRECTED: redirected} if redirected else {})
        ),
        spec=PodSpec(node_name="node-1", service_account_name=account, host_network=host),
        status=PodStatus(pod_ips=tuple(PodIP(ip=address) for address in addresses), phase=phase),
    )


def test_a_pod_is_a_workload() -> None:
    found = workload(pod("10.244.1.5", "fd00::5", account="seller"), IN_THE_MESH)
    assert found == Workload(
        NamespacedName("shop", "web"),
        (ipaddress.ip_address("10.244.1.5"), ipaddress.ip_address("fd00::5")),
        "seller",
        {"app": "web"},
        "node-1",
        enrolled=True,
        redirected=False,
    )
    assert found.namespace == "shop"


def test_without_a_service_account_it_is_the_default_one() -> None:
    found = workload(pod("10.244.1.5"), {})
    assert found is not None
    assert found.service_account == "default"
    assert not found.enrolled


def test_a_pod_in_an_unknown_namespace_is_not_enrolled() -> None:
    found = workload(pod("10.244.1.5"), None)
    assert found is not None
    assert not found.enrolled


def test_its_node_says_that_its_connections_pass_an_envoy() -> None:
    found = workload(pod("10.244.1.5", redirected=ENABLED), IN_THE_MESH)
    assert found is not None
    assert found.redirected


def test_no_workload_without_an_address_of_its_own() -> None:
    assert workload(pod(), IN_THE_MESH) is None
    assert workload(pod("172.18.0.2", host=True), IN_THE_MESH) is None
    assert workload(pod("10.244.1.5", phase="Succeeded"), IN_THE_MESH) is None
    assert workload(pod("127.0.0.1"), IN_THE_MESH) is None


def test_an_address_of_two_pods_is_doubtful() -> None:
    first, second, other = (
        Workload(NamespacedName("shop", name), tuple(map(ipaddress.ip_address, addresses)))
        for name, addresses in (("a", ("10.244.1.5", "fd00::5")), ("b", ("10.244.1.5",)), ("c", ("10.244.1.6",)))
    )
    found = doubtful((first, second, other))
    assert found == {ipaddress.ip_address("10.244.1.5")}
    kept = tuple(without((first, second, other), found))
    assert [tuple(map(str, one.addresses)) for one in kept] == [("fd00::5",), (), ("10.244.1.6",)]
    assert not doubtful((first, other))


def test_a_pod_of_an_enrolled_service_is_enrolled() -> None:
    for selectors, wanted in ((({"app": "web"},), True), (({"app": "api"},), False), (({},), False)):
        found = workload(pod("10.244.1.5"), {}, selectors)
        assert found is not None
        assert found.enrolled is wanted, selectors
    away = pod("10.244.1.5")
    away.metadata.labels[LABEL] = DISABLED
    left_out = workload(away, {}, ({"app": "web"},))
    assert left_out is not None
    assert not left_out.enrolled
