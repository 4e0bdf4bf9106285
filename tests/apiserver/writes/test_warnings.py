"""What an accepted write is warned of, in upstream's words."""

from typing import Any

import pytest

from podwire.apiserver.base import encoding, validation_cache
from podwire.apiserver.base.requests import Response
from podwire.apiserver.main import running
from tests.apiserver.conftest import Files, Talk, configuration
from tests.apiserver.samples import DEPLOYMENTS, MERGE, PODS, deployment, pod

SERVICES = "/api/v1/namespaces/default/services"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
ANNOTATION = "kubernetes.io/ingress.class"


async def warnings_of(talk: Talk, method: str, path: str, body: dict[str, Any], **headers: str) -> tuple[str, ...]:
    answer = await talk.answer(method, path, body, **headers)
    assert isinstance(answer, Response)
    assert answer.code in {200, 201}, answer.body
    return answer.warnings


def container(**parts: Any) -> dict[str, Any]:
    return {"containers": [{"name": "a", "image": "b", **parts}]}


@pytest.mark.proves("warning-headers")
@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
            'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
        ),
        (
            container(resources={"requests": {"memory": "1500m"}}),
            (
                'spec.containers[0].resources.requests[memory]: fractional byte value "1500m" is invalid, must be an '
                "integer"
            ),
        ),
        (
            container(ports=[{"containerPort": 80}, {"containerPort": 80}]),
            "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
        ),
        (
            container(ports=[{"containerPort": 80, "hostIP": "127.0.0.1"}]),
            (
                "spec.containers[0].ports[0]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 "
                "Protocol:TCP HostIP:127.0.0.1}"
            ),
        ),
        (
            container() | {"hostAliases": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}]},
            'spec.hostAliases[1].ip: duplicate ip "10.0.0.1"',
        ),
        (
            container() | {"imagePullSecrets": [{}]},
            'spec.imagePullSecrets[0].name: invalid empty name ""',
        ),
        (
            container() | {"nodeSelector": {"beta.kubernetes.io/os": "linux"}},
            'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
        ),
        (
            container()
            | {
                "topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
                ]
            },
            "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod",
        ),
        (
            container() | {"dnsConfig": {"nameservers": ["FD00::1"]}},
            'spec.dnsConfig.nameservers[0]: IPv6 address "FD00::1" should be in RFC 5952 canonical format ("fd00::1")',
        ),
    ],
)
async def test_a_pod_gives_a_warning(talk: Talk, spec: dict[str, Any], expected: str) -> None:
    assert await warnings_of(talk, "POST", PODS, pod(**spec)) == (expected,)


async def test_usual_values_give_no_warning(talk: Talk) -> None:
    variables = [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}]
    ports = [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]
    assert await warnings_of(talk, "POST", PODS, pod(**container(env=variables, ports=ports))) == ()


async def test_a_name_with_dots_gives_a_warning(talk: Talk) -> None:
    [warning] = await warnings_of(talk, "POST", PODS, pod("a.b"))
    assert warning == (
        "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is "
        "recommended: [must not contain dots]"
    )


async def test_a_template_gives_its_warning_when_the_workload_changes(talk: Talk) -> None:
    made = deployment()
    made["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A"}, {"name": "A"}]
    expected = (
        'spec.template.spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using '
        "apply"
    )
    assert await warnings_of(talk, "POST", DEPLOYMENTS, made) == (expected,)
    labelled = {"metadata": {"labels": {"a": "b"}}}
    assert await warnings_of(talk, "PATCH", f"{DEPLOYMENTS}/web", labelled, content_type=MERGE) == ()
    scaled = {"spec": {"replicas": 2}}
    assert await warnings_of(talk, "PATCH", f"{DEPLOYMENTS}/web", scaled, content_type=MERGE) == (expected,)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"clusterIP": "None", "sessionAffinity": "ClientIP"}, "spec.SessionAffinity is ignored for headless services"),
        ({"externalName": "a.b"}, 'spec.externalName is ignored when spec.type is not "ExternalName"'),
        (
            {"trafficDistribution": "PreferClose"},
            'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"',
        ),
    ],
)
async def test_a_service_gives_a_warning(talk: Talk, spec: dict[str, Any], expected: str) -> None:
    body = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], **spec}}
    assert expected in await warnings_of(talk, "POST", SERVICES, body)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"externalIPs": ["192.0.2.1"]},
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters",
        ),
        ({"clusterIP": "None", "externalIPs": ["192.0.2.1"]}, "spec.externalIPs is ignored for headless services"),
    ],
)
async def test_external_ips_that_are_admitted_give_a_warning(files: Files, spec: dict[str, Any], expected: str) -> None:
    body = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], **spec}}
    async with running(configuration(files, allow_external_ips=True)) as server:
        assert expected in await warnings_of(Talk(server), "POST", SERVICES, body)


async def test_a_status_with_an_unusual_address_gives_a_warning(talk: Talk) -> None:
    await talk.ok(
        "POST", SERVICES, {"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
    )
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "FD00::1"}]}}}
    expected = (
        'status.loadBalancer.ingress[0]: IPv6 address "FD00::1" should be in RFC 5952 canonical format ("fd00::1")'
    )
    assert await warnings_of(talk, "PATCH", f"{SERVICES}/web/status", status, content_type=MERGE) == (expected,)


async def test_the_old_annotation_of_an_ingress_gives_a_warning(talk: Talk) -> None:
    spec = {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}
    body = {"metadata": {"name": "web", "annotations": {ANNOTATION: "nginx"}}, "spec": spec}
    expected = f"annotation \"{ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"
    assert expected in await warnings_of(talk, "POST", INGRESSES, body)


async def test_a_pod_is_encoded_once_for_errors_and_warnings(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    specs: list[Any] = []
    encode = encoding.encode

    def record(value: Any) -> bytes:
        specs.extend([value] if "containers" in value else [])
        return encode(value)

    monkeypatch.setattr(validation_cache, "encode", record)
    await warnings_of(talk, "POST", PODS, pod("web"))
    assert len(specs) == 1


async def test_a_mesh_label_without_effect_gives_a_warning_when_it_is_written(talk: Talk) -> None:
    labels = {"podwire.dev/mesh": "enable"}
    remedy = "has no effect: write podwire.dev/mesh=enabled or podwire.dev/mesh=disabled"
    expected = f"metadata.labels: label podwire.dev/mesh=enable {remedy}"
    written = pod("a")
    written["metadata"]["labels"] = labels
    assert expected in await warnings_of(talk, "POST", PODS, written)
    assert expected not in await warnings_of(
        talk, "PATCH", f"{PODS}/a", {"metadata": {"annotations": {"a": "b"}}}, content_type=MERGE
    )
    right = {"metadata": {"labels": {"podwire.dev/mesh": "enabled"}}}
    assert await warnings_of(talk, "PATCH", f"{PODS}/a", right, content_type=MERGE) == ()
    wrong = deployment("web")
    wrong["spec"]["template"]["metadata"]["labels"] |= {"istio.io/dataplane-mode": "Ambient"}
    assert (
        "spec.template.metadata.labels: label istio.io/dataplane-mode=Ambient has no effect: write "
        "istio.io/dataplane-mode=ambient or istio.io/dataplane-mode=none"
    ) in await warnings_of(talk, "POST", DEPLOYMENTS, wrong)
    namespace = {"metadata": {"name": "n", "labels": labels}}
    assert await warnings_of(talk, "POST", "/api/v1/namespaces", namespace) == (expected,)
