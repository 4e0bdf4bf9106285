"""The Helm chart makes the same objects as `podwire install`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from podwire import __version__
from podwire.install.manifests import text
from podwire.install.manifests.manifest import MANAGER_LABEL
from podwire.install.manifests.objects import manifests
from podwire.install.settings import Settings
from tests.install.cluster import SETTINGS
from tools import chart_rules

HELM = Path(sys.executable).parents[1] / "clients" / "helm"
CHART = Path(__file__).parents[2] / "deploy" / "chart"
ALL = msgspec.structs.replace(
    SETTINGS,
    image="registry.example.org/podwire:1",
    overlay="cross-subnet",
    overlay_accept="vxlan",
    mtu=1450,
    pod_access_cidrs=("192.0.2.0/28", "fd00:1::/64"),
    replace_kube_proxy=True,
    agent_flags=("--announce-cidrs=198.51.100.0/24", "--bgp-local-as=64512", "--bgp-peer=[fd00::1]:64513"),
    dns_addresses=("10.96.0.10",),
    dns_replicas=3,
    upstreams=("192.0.2.53", "[fd00::53]:5353"),
    pod_pools=("10.244.0.0/16,fd00:10:244::/56", "10.250.0.0/16:22@pool=large"),
    namespace_pools=("red=10.60.0.0/16:26,fd00:60::/56", "blue=10.61.0.0/16:26@pool=large"),
    lb_pool=("198.51.100.0/24", "fd00:99::/112"),
    internal_lb_pool=("10.99.0.0/24",),
    controller_replicas=1,
    gateway_api="standard",
    envoys=3,
    pod_monitors=True,
    mesh=True,
)
MESH = msgspec.structs.replace(SETTINGS, mesh=True, gateway_image="example.org/envoys:2", domain="prod.example")
WITHOUT_DNS = msgspec.structs.replace(SETTINGS, dns=False, dns_addresses=(), pod_monitors=True)
GATEWAY = msgspec.structs.replace(SETTINGS, gateway_api="experimental", gateway_image="example.org/envoys:2")
OTHER_DNS = msgspec.structs.replace(SETTINGS, dns_addresses=())


def helm(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    if not HELM.exists():
        pytest.fail(f"{HELM} is not there: helm is to be had for x86_64 only")
    homes = {f"HELM_{name}_HOME": str(folder / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    return subprocess.run(
        (str(HELM), *arguments), env={**os.environ, **homes}, check=check, capture_output=True, text=True, timeout=60
    )


def rendered(folder: Path, values: dict[str, Any], namespace: str = "kube-system") -> subprocess.CompletedProcess[str]:
    file = folder / "values.yaml"
    file.write_text(text.dump(values))
    return helm(folder, "template", "podwire", str(CHART), "-n", namespace, "-f", str(file), check=False)


def by_name(bodies: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(body["kind"], body["metadata"]["name"]): body for body in bodies}


@pytest.mark.parametrize(
    "settings",
    [SETTINGS, ALL, WITHOUT_DNS, OTHER_DNS, GATEWAY, MESH],
    ids=["dual", "all", "no dns", "other dns", "gateway", "mesh"],
)
def test_every_object_is_that_of_podwire_install(settings: Settings, tmp_path: Path) -> None:
    result = rendered(tmp_path, text.chart_values(settings))
    assert result.returncode == 0, result.stderr
    bodies = [body for body in yaml.safe_load_all(result.stdout) if body]
    for body in bodies:
        labels = body["metadata"]["labels"]
        assert labels.pop(MANAGER_LABEL) == "Helm", "by which podwire's verbs leave it to helm"
        assert labels.pop("helm.sh/chart") == f"podwire-{__version__}"
    assert by_name(bodies) == by_name([one.body for one in manifests(settings)])


def test_the_default_image_is_that_of_the_release(tmp_path: Path) -> None:
    values = {**text.chart_values(SETTINGS), "image": ""}
    assert f"image: podwire:{__version__}" in rendered(tmp_path, values).stdout


@pytest.mark.parametrize(
    "image", ["podwire:1", "example.org:5000/a/podwire", "example.org:5000/podwire:1.2", "podwire"]
)
def test_the_image_of_gateways_is_found_as_podwire_install_finds_it(image: str, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, image=image, gateway_api="standard")
    assert f"--envoy-image={settings.envoy_image}\n" in rendered(tmp_path, text.chart_values(settings)).stdout


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "server"),
        ({**text.chart_values(SETTINGS), "server": "http://192.0.2.1"}, "server"),
        ({**text.chart_values(SETTINGS), "podCIDRs": []}, "podCIDRs"),
        ({**text.chart_values(SETTINGS), "overlay": "ipip"}, "overlay"),
        ({**text.chart_values(SETTINGS), "overlays": "vxlan"}, "overlays"),
        ({**text.chart_values(SETTINGS), "agentFlags": ["announce-cidrs"]}, "agentFlags"),
    ],
)
def test_values_that_cannot_be_are_refused_by_the_schema(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    result = rendered(tmp_path, values)
    assert result.returncode != 0
    assert said in result.stderr


def test_another_namespace_is_refused(tmp_path: Path) -> None:
    assert "-n kube-system" in rendered(tmp_path, text.chart_values(SETTINGS), "default").stderr


def test_helm_finds_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(text.dump(text.chart_values(ALL)))
    assert "0 chart(s) failed" in helm(tmp_path, "lint", str(CHART), "--strict", "-f", str(file), check=False).stdout


def test_the_rules_of_roles_are_those_of_the_table() -> None:
    present = {path.name: path.read_text() for path in chart_rules.FOLDER.iterdir()}
    assert present == chart_rules.files(), "run 'python -m tools.chart_rules'"


def test_the_chart_has_the_definitions_that_ship() -> None:
    """As `crds`, which helm installs once and never deletes."""
    shipped = (CHART.parent / "definitions" / "standard").glob("podwire.dev_*.yaml")
    assert {one.name: one.read_text() for one in shipped} == {
        one.name: one.read_text() for one in (CHART / "crds").iterdir()
    }
