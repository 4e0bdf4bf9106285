"""Which policies count for a pod: those of its namespace and of podwire-system, in the order of all policies."""

from __future__ import annotations

from podwire.kube.meta import LabelSelector, NamespacedName, ObjectMeta
from podwire.kube.services import Service, ServicePort, ServiceSpec
from podwire.mesh.authorization.model import EVERYWHERE, Policy
from podwire.mesh.authorization.selection import Authorization
from podwire.mesh.authorization.tokens import TokenPolicy
from podwire.mesh.model.workload import Workload

WEB = Workload(NamespacedName("shop", "web"), (), labels={"app": "web"})
OTHERS = LabelSelector(match_labels={"app": "other"})
KEYS = [NamespacedName(*one) for one in (("shop", "a"), (EVERYWHERE, "b"), ("bank", "c"), ("shop", "d"))]
FOUND = [KEYS[0], KEYS[1], KEYS[3]]


def test_policies_of_the_namespace_and_of_all_namespaces_keep_their_order() -> None:
    policies = tuple(map(Policy, KEYS))
    others = Policy(NamespacedName("shop", "others"), selector=OTHERS)
    found = Authorization((*policies, others), tuple(TokenPolicy(key, ()) for key in KEYS))
    assert [one.key for one in found.policies_of(WEB)] == FOUND
    assert [one.key for one in found.tokens_of(WEB)] == FOUND
    system = Workload(NamespacedName(EVERYWHERE, "gateway"), ())
    assert [one.key for one in found.policies_of(system)] == [KEYS[1]], "once"


def test_ports_speak_http_as_services_of_the_namespace_say() -> None:
    services = tuple(
        Service(
            metadata=ObjectMeta(name="web", namespace=namespace),
            spec=ServiceSpec(selector={"app": "web"}, ports=(ServicePort(port=port, app_protocol="http"),)),
        )
        for namespace, port in (("shop", 80), ("bank", 81))
    )
    assert Authorization(services=services).http_ports(WEB) == {80}
