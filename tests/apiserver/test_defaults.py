import copy
from typing import Any

import pytest

from podwire.apiserver import defaults
from podwire.apiserver.kinds.builtin import registry

REGISTRY = registry()
Object = dict[str, Any]


def complete(api_version: str, kind: str, **body: Any) -> Object:
    resource = REGISTRY.by_kind(api_version, kind)
    assert resource is not None
    obj: Object = {"metadata": {"name": "web"}, **body}
    defaults.apply(resource, obj)
    again = copy.deepcopy(obj)
    defaults.apply(resource, again)
    assert again == obj, "a complete object changed"
    return obj


@pytest.mark.proves("pod-defaults")
def test_a_pod_gets_upstreams_defaults() -> None:
    containers = [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}]
    assert complete("v1", "Pod", spec={"containers": containers})["spec"] == {
        "containers": [
            {
                "name": "web",
                "image": "nginx",
                "imagePullPolicy": "Always",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:00", "IfNotPresent"),
    ],
)
def test_images_that_can_change_are_always_pulled(image: str, policy: str) -> None:
    pod = complete("v1", "Pod", spec={"containers": [{"name": "a", "image": image}]})
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_probes_are_completed() -> None:
    probe = {"httpGet": {"port": 80}}
    pod = complete("v1", "Pod", spec={"containers": [{"name": "a", "readinessProbe": probe}]})
    assert pod["spec"]["containers"][0]["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_ports_on_the_hosts_network_are_host_ports() -> None:
    containers = [{"name": "a", "ports": [{"containerPort": 80}]}]
    pod = complete("v1", "Pod", spec={"hostNetwork": True, "containers": containers})
    assert pod["spec"]["containers"][0]["ports"][0]["hostPort"] == 80


def test_volumes_are_completed() -> None:
    volumes = [{"name": "a"}, {"name": "b", "configMap": {"name": "c"}}, {"name": "d", "secret": {"secretName": "e"}}]
    spec = complete("v1", "Pod", spec={"containers": [], "volumes": volumes})["spec"]
    assert spec["volumes"] == [
        {"name": "a", "emptyDir": {}},
        {"name": "b", "configMap": {"name": "c", "defaultMode": 420}},
        {"name": "d", "secret": {"secretName": "e", "defaultMode": 420}},
    ]


@pytest.mark.proves("service-defaults")
def test_a_service_is_completed() -> None:
    spec = complete("v1", "Service", spec={"ports": [{"port": 80}]})["spec"]
    assert spec == {
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    }


def test_a_load_balancer_is_completed() -> None:
    spec = complete("v1", "Service", spec={"type": "LoadBalancer", "sessionAffinity": "ClientIP"})["spec"]
    assert spec["externalTrafficPolicy"] == "Cluster"
    assert spec["allocateLoadBalancerNodePorts"] is True
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


def test_an_external_name_has_no_traffic_policy() -> None:
    spec = complete("v1", "Service", spec={"type": "ExternalName", "externalName": "example.com"})["spec"]
    assert "internalTrafficPolicy" not in spec
    assert "externalTrafficPolicy" not in spec


@pytest.mark.proves("kind-defaults")
def test_a_deployment_is_completed() -> None:
    spec = complete("apps/v1", "Deployment", spec={"template": {"spec": {"containers": []}}})["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["template"]["spec"]["dnsPolicy"] == "ClusterFirst"
    assert complete("apps/v1", "Deployment", spec={"replicas": 0})["spec"]["replicas"] == 0


def test_a_job_runs_once() -> None:
    spec = complete("batch/v1", "Job", spec={"template": {"metadata": {"labels": {"a": "b"}}}})["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (1, 1, 6)
    assert "completions" not in complete("batch/v1", "Job", spec={"parallelism": 3})["spec"]


@pytest.mark.proves("kind-defaults")
@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({}, ["Ingress"]),
        ({"ingress": []}, ["Ingress"]),
        ({"egress": []}, ["Ingress"]),
        ({"egress": [{}]}, ["Ingress", "Egress"]),
        ({"policyTypes": ["Egress"]}, ["Egress"]),
    ],
)
def test_policy_types_follow_the_rules(spec: Object, types: list[str]) -> None:
    policy = complete("networking.k8s.io/v1", "NetworkPolicy", spec=spec)
    assert policy["spec"]["policyTypes"] == types
    assert policy["spec"]["podSelector"] == {}


def test_policy_ports_are_tcp() -> None:
    spec = {"ingress": [{"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}]}
    ports = complete("networking.k8s.io/v1", "NetworkPolicy", spec=spec)["spec"]["ingress"][0]["ports"]
    assert [port["protocol"] for port in ports] == ["TCP", "UDP"]


@pytest.mark.proves("kind-defaults")
def test_an_endpoint_slices_ports_have_names_and_its_conditions_stay_as_they_are() -> None:
    endpoints = [{"addresses": ["10.0.0.1"], "conditions": {"serving": True}}]
    slice_ = complete("discovery.k8s.io/v1", "EndpointSlice", endpoints=endpoints, ports=[{"port": 80}])
    assert slice_["ports"] == [{"port": 80, "name": "", "protocol": "TCP"}]
    assert slice_["endpoints"][0]["conditions"] == {"serving": True}


def test_a_secrets_texts_are_folded_into_its_data() -> None:
    secret = complete("v1", "Secret", data={"a": "MQ=="}, stringData={"a": "2", "b": "ü"})
    assert secret["type"] == "Opaque"
    assert secret["data"] == {"a": "Mg==", "b": "w7w="}
    assert "stringData" not in secret


def test_a_namespace_has_its_name_as_a_label() -> None:
    assert complete("v1", "Namespace")["metadata"]["labels"] == {"kubernetes.io/metadata.name": "web"}


def test_a_node_has_its_range_in_both_fields() -> None:
    assert complete("v1", "Node", spec={"podCIDRs": ["10.244.1.0/24", "fd00::/64"]})["spec"]["podCIDR"] == (
        "10.244.1.0/24"
    )
    assert complete("v1", "Node", spec={"podCIDR": "10.244.1.0/24"})["spec"]["podCIDRs"] == ["10.244.1.0/24"]


def test_a_binding_names_rbacs_own_kinds() -> None:
    subjects = [{"kind": "User", "name": "a"}, {"kind": "ServiceAccount", "name": "b", "namespace": "c"}]
    binding = complete(
        "rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"kind": "Role", "name": "r"}, subjects=subjects
    )
    assert binding["roleRef"]["apiGroup"] == "rbac.authorization.k8s.io"
    assert [subject.get("apiGroup") for subject in binding["subjects"]] == ["rbac.authorization.k8s.io", None]


@pytest.mark.parametrize("resource", list(REGISTRY.all()), ids=lambda resource: resource.qualified_plural)
def test_an_empty_object_of_any_kind_is_no_problem(resource: Any) -> None:
    defaults.apply(resource, {"metadata": {"name": "a"}})
