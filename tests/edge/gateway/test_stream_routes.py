import msgspec
import pytest

from podwire.edge.gateway.kinds.backend_tls_policy import BackendTLSPolicy
from podwire.edge.gateway.kinds.reference_grant import ReferenceGrant
from podwire.edge.gateway.kinds.stream_routes import StreamRoute
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.stream_routes import translated
from podwire.edge.model.backends import ServicePort, Transport, WeightedBackend
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

REFERENCES = [
    {"name": "db", "port": 53, "weight": 3},
    {"name": "absent", "port": 53},
    {"name": "db", "namespace": "other", "port": 53, "weight": 0},
]
ROUTE = msgspec.convert(
    {
        "metadata": {"name": "r", "namespace": "shop"},
        "spec": {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": REFERENCES}]},
    },
    StreamRoute,
)


def objects(protocol: str, *namespaces: str) -> Objects:
    found = Objects(controller="c")
    for namespace in namespaces:
        ports = [{"port": 53, "protocol": protocol}]
        service = {"metadata": {"name": "db", "namespace": namespace}, "spec": {"ports": ports}}
        found.put("Service", msgspec.convert(service, Service))
    return found


@pytest.mark.parametrize(
    ("kind", "protocol", "transport"),
    [("TCPRoute", "TCP", Transport.TCP), ("TLSRoute", "TCP", Transport.TCP), ("UDPRoute", "UDP", Transport.UDP)],
)
def test_a_share_has_a_cluster_of_its_protocol_or_a_problem(kind: str, protocol: str, transport: Transport) -> None:
    made = translated(kind, ROUTE, objects(protocol, "shop", "other"))
    assert made.stream is not None
    first, second, third = made.stream.backends
    assert first == WeightedBackend(f"shop/db/53/{transport}", 3)
    assert (second.cluster, second.weight) == ("", 1)
    assert (third.cluster, third.weight) == ("", 0)
    assert [one.reason for one in made.unresolved] == ["BackendNotFound", "RefNotPermitted"]
    assert [one.port for one in made.clusters] == [ServicePort("shop", "db", 53, protocol)]


def test_a_grant_permits_another_namespace() -> None:
    found = objects("TCP", "other")
    grant = {
        "metadata": {"name": "g", "namespace": "other"},
        "spec": {
            "from": [{"group": "gateway.networking.k8s.io", "kind": "TCPRoute", "namespace": "shop"}],
            "to": [{"group": "", "kind": "Service"}],
        },
    }
    found.put("ReferenceGrant", msgspec.convert(grant, ReferenceGrant))
    assert [one.port.namespace for one in translated("TCPRoute", ROUTE, found).clusters] == ["other"]
    assert translated("UDPRoute", ROUTE, found).clusters == ()


def test_a_port_of_another_protocol_is_no_backend() -> None:
    assert translated("UDPRoute", ROUTE, objects("TCP", "shop")).clusters == ()


def test_a_policy_names_its_services_and_authorities() -> None:
    policy = msgspec.convert(
        {
            "metadata": {"name": "p", "namespace": "shop"},
            "spec": {
                "targetRefs": [{"group": "", "kind": "Service", "name": "db"}, {"kind": "Other", "name": "x"}],
                "validation": {
                    "hostname": "db.test",
                    "caCertificateRefs": [
                        {"group": "", "kind": "ConfigMap", "name": "ca"},
                        {"group": "", "kind": "Secret", "name": "ca"},
                    ],
                },
            },
        },
        BackendTLSPolicy,
    )
    assert policy.services == (NamespacedName("shop", "db"),)
    assert policy.config_maps == (NamespacedName("shop", "ca"),)
