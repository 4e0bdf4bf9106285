import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner

from podwire.agent.config import HEALTHZ_PORT, METRICS_PORT, AgentConfig
from podwire.cli import podwire
from podwire.component import permissions
from podwire.edge.controller import flags
from podwire.install.manifests import agent_daemon_set, capabilities, text
from podwire.install.manifests.manifest import APPLIED, ROLES
from podwire.install.manifests.objects import manifests
from podwire.install.settings import Settings, SettingsError
from podwire.kernel import sysctl
from podwire.kube.kinds import NAMESPACES
from podwire.mesh.controller import flags as mesh_flags
from tests.agent.test_flags import parsed
from tests.install.cluster import SETTINGS

ENOUGH = ("--server", "https://192.0.2.10:6443", "--pod-cidrs", "10.244.0.0/16", "--service-cidrs", "10.96.0.0/16")


def body(settings: Settings, kind: str, name: str) -> dict[str, Any]:
    return next(one.body for one in manifests(settings) if (one.kind.kind, one.key.name) == (kind, name))


def agent_pod(settings: Settings = SETTINGS) -> dict[str, Any]:
    pod: dict[str, Any] = body(settings, "DaemonSet", "podwire-agent")["spec"]["template"]["spec"]
    return pod


def changed(**changes: Any) -> Settings:
    return msgspec.structs.replace(SETTINGS, **changes)


def controller_configuration(flags: list[str], given: dict[str, Any]) -> dict[str, Any]:
    """What `podwire controller` reads from these flags."""
    from podwire.controllers.flags import command

    return {**given, **command.make_context("controller", list(flags)).params}


def gateway_configuration(tmp_path: Path, *arguments: str) -> Any:
    """What `podwire gateway-controller` reads from these flags."""
    (tmp_path / "token").write_text("secret")
    words = [*arguments, "--token-file", str(tmp_path / "token")]
    return flags.configuration(dict(flags.command.make_context("gateway-controller", words).params))


def test_accounts_and_rights_come_before_the_pods_that_use_them() -> None:
    order = [one.kind for one in manifests(SETTINGS)]
    assert order == sorted(order, key=APPLIED.index)
    assert len({(one.kind.kind, one.key) for one in manifests(SETTINGS)}) == len(order)


def test_every_namespace_of_an_object_is_kube_systems_or_made_before() -> None:
    for settings in (SETTINGS, changed(gateway_api="standard", pod_monitors=True), changed(mesh=True)):
        made = {one.key.name for one in manifests(settings) if one.kind == NAMESPACES}
        assert {one.key.namespace for one in manifests(settings) if one.kind.namespaced} == made | {"kube-system"}


def test_no_webhook_receives_objects() -> None:
    """CVE-2025-1974 and CVE-2026-24514: any pod could send objects to the admission webhook of ingress-nginx."""
    every = changed(lb_pool=("198.51.100.0/24",), gateway_api="standard", pod_monitors=True, mesh=True)
    kinds = {one.kind.kind for one in manifests(every)}
    assert "Deployment" in kinds
    assert not {one for one in kinds if "Webhook" in one}


def test_no_role_may_read_secrets_or_all_resources() -> None:
    for one in manifests(changed(lb_pool=("198.51.100.0/24",), gateway_api="standard")):
        if one.key.name == permissions.GATEWAY:
            continue  # certificates of Gateways may be in any namespace
        for rule in one.body.get("rules", ()):
            if rule.get("resourceNames"):
                assert rule["resourceNames"] in (["coredns"], ["podwire-controller"]), one
                continue
            assert not {"*", "secrets", "configmaps"} & {*rule["resources"]}, one
            if "leases" in rule["resources"] and one.kind != ROLES:
                assert rule["verbs"] == ["create"], "Leases of kubelets decide which nodes are Ready"
            if "controller" not in one.key.name and one.kind != ROLES:
                written = {"*", "create", "update", "delete", "patch"} & {*rule["verbs"]}
                own = (["events"], ["clusternetworkpolicies/status"], ["egressgateways/status"], ["pods/status"])
                assert not written or rule["resources"] in own, one


@pytest.mark.parametrize("settings", [SETTINGS, changed(agent_flags=("--bgp-local-as=64512",))])
def test_every_container_has_only_capabilities_with_a_reason(settings: Settings) -> None:
    spec = agent_pod(settings)
    for container in (*spec["initContainers"], *spec["containers"]):
        context = container["securityContext"]
        assert context["capabilities"]["drop"] == ["ALL"]
        assert {*context["capabilities"]["add"]} <= capabilities.REASONS.keys()
        assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
        assert "privileged" not in context
    written = text.as_yaml(manifests(settings))
    for name in capabilities.of_agent(settings):
        assert f"- {name}  # {capabilities.REASONS[name]}" in written
    assert ("SETUID" in written) == settings.speaks_bgp


def test_dns_has_no_capability_and_no_root() -> None:
    spec = body(SETTINGS, "Deployment", "podwire-dns")["spec"]["template"]["spec"]
    assert spec["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert spec["securityContext"]["runAsNonRoot"]


def test_the_agent_takes_the_flags_of_its_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = changed(
        pod_monitors=True, replace_kube_proxy=True, overlay="vxlan", agent_flags=("--allow-external-ips",)
    )
    flags = agent_pod(settings)["containers"][0]["args"][1:]
    config = parsed(monkeypatch, *flags, "--token-file", __file__, NODE_NAME="a")
    assert isinstance(config, AgentConfig)
    assert config.credentials.server == settings.server
    assert (config.service_ranges, config.replace_kube_proxy) == (settings.service_cidrs, True)
    assert config.cluster.overlay is not None
    assert config.metrics == (("0.0.0.0", METRICS_PORT), ("::", METRICS_PORT))


def test_ports_and_folders_are_those_of_the_agent() -> None:
    assert (agent_daemon_set.HEALTH_PORT, agent_daemon_set.METRICS_PORT) == (HEALTHZ_PORT, METRICS_PORT)
    mounts = {mount["name"]: mount for mount in agent_pod()["containers"][0]["volumeMounts"]}
    assert mounts["sysctl"]["mountPath"] == f"{sysctl.NODE_ROOT}/net"
    assert mounts["netns"]["mountPropagation"] == "HostToContainer"
    assert {*mounts} <= {volume["name"] for volume in agent_pod()["volumes"]}


def test_the_dns_service_is_left_to_another_server() -> None:
    assert body(SETTINGS, "Service", "kube-dns")["spec"]["clusterIPs"] == ["10.96.0.10", "fd00:10:96::a"]
    kinds = {one.kind.kind for one in manifests(changed(dns_addresses=()))}
    assert {"Service", "Deployment"} & kinds == {"Deployment"}
    names = {one.body["metadata"]["name"] for one in manifests(changed(dns=False))}
    assert names == {"podwire-agent", "podwire:agent", "podwire-node-lease"}


def test_the_controller_is_there_where_it_has_something_to_do() -> None:
    assert "podwire-controller" not in {one.key.name for one in manifests(SETTINGS)}
    found = body(changed(pod_pools=("10.244.0.0/16",)), "Deployment", "podwire-controller")
    pod = found["spec"]["template"]["spec"]
    assert (pod["hostNetwork"], pod["tolerations"]) == (True, [{"operator": "Exists"}])
    flags = pod["containers"][0]["args"][1:]
    assert flags == [f"--server={SETTINGS.server}", "--pod-pool=10.244.0.0/16"]
    pools = body(changed(namespace_pools=("red=10.60.0.0/16:26",)), "Deployment", "podwire-controller")
    assert "--namespace-pool=red=10.60.0.0/16:26" in pools["spec"]["template"]["spec"]["containers"][0]["args"]
    given = {"kubeconfig": None, "context": "", "certificate_authority": None, "client_certificate": None}
    assert controller_configuration(flags, given)


def test_the_gateway_controller_takes_the_flags_of_its_manifest(tmp_path: Path) -> None:
    assert "podwire-gateway-controller" not in {one.key.name for one in manifests(SETTINGS)}
    settings = changed(gateway_api="standard", envoys=3, image="example.org/podwire:1")
    pod = body(settings, "Deployment", "podwire-gateway-controller")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    config = gateway_configuration(tmp_path, *container["args"][1:])
    assert (config.image, config.replicas) == ("example.org/podwire-gateway:1", 3)
    assert config.addresses[0][1] == container["readinessProbe"]["httpGet"]["port"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {one["name"] for one in container["env"]} == {"POD_NAME", "POD_IPS"}
    service = body(settings, "Service", "podwire-gateway-controller")
    assert f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc" == config.server
    assert "selector" not in service["spec"], "the controller that leads is its only endpoint"
    assert service["spec"]["ports"][0]["port"] == config.xds_port


def test_the_mesh_controller_takes_the_flags_of_its_manifest(tmp_path: Path) -> None:
    assert "podwire-mesh-controller" not in {one.key.name for one in manifests(SETTINGS)}
    settings = changed(mesh=True, domain="prod.example", image="example.org/podwire:1")
    pod = body(settings, "Deployment", "podwire-mesh-controller")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    (tmp_path / "token").write_text("secret")
    words = [*container["args"][1:], "--token-file", str(tmp_path / "token")]
    config = mesh_flags.configuration(dict(mesh_flags.command.make_context("mesh-controller", words).params))
    assert (config.nodes.image, config.trust_domain) == ("example.org/podwire-gateway:1", "prod.example")
    assert config.addresses[0][1] == container["readinessProbe"]["httpGet"]["port"]
    service = body(settings, "Service", "podwire-mesh-controller")
    assert config.nodes.signer == f"{config.nodes.signer_name}:{service['spec']['ports'][0]['port']}"
    assert f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc" == config.nodes.signer_name
    account = body(settings, "ServiceAccount", "podwire-mesh")
    assert account["metadata"]["namespace"] == "podwire-system"


def test_an_image_by_digest_does_not_name_that_of_gateways() -> None:
    with pytest.raises(SettingsError, match="--gateway-image"):
        manifests(changed(gateway_api="standard", image="podwire@sha256:00"))
    assert manifests(changed(gateway_api="standard", image="podwire@sha256:00", gateway_image="a"))


def test_metrics_of_agents_listen_beyond_the_node_only_for_a_monitor() -> None:
    assert "PodMonitor" not in {one.kind.kind for one in manifests(SETTINGS)}
    assert not any("metrics" in flag for flag in agent_pod()["containers"][0]["args"])
    assert body(changed(pod_monitors=True), "PodMonitor", "podwire-agent")


def test_the_texts_have_the_same_objects() -> None:
    bodies = [one.body for one in manifests(SETTINGS)]
    assert list(yaml.safe_load_all(text.as_yaml(manifests(SETTINGS)))) == bodies
    assert json.loads(text.as_json(manifests(SETTINGS)))["items"] == bodies


def run(*arguments: str) -> Any:
    return CliRunner(env={"KUBECONFIG": "/missing"}).invoke(podwire, ["install", *arguments])


def test_nothing_is_read_where_all_is_given() -> None:
    result = run(*ENOUGH, "-o", "yaml", "--image", "example.org/podwire:1")
    assert result.exit_code == 0, result.output
    assert "image: example.org/podwire:1" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--server", "http://192.0.2.10"], "write https://ADDRESS:PORT"),
        (["--agent-flag=--node-name=a"], "'podwire install' has the flag itself"),
        (["--agent-flag=--announce-cidr=192.0.2.0/24"], "has no flag --announce-cidr"),
        (["--agent-flag=--announce-cidrs=192.0.2.1/24"], "has host bits set"),
        (["--agent-flag=--announce-cidrs"], "write --announce-cidrs=VALUE"),
        (["--agent-flag=--allow-external-ips=yes"], "write --allow-external-ips"),
        (["--pod-cidrs", "10.244.0.1/32"], "is one address"),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments: list[str], said: str) -> None:
    result = run(*ENOUGH, "-o", "yaml", *arguments)
    assert result.exit_code == 2
    assert said in result.output
