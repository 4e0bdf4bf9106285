"""The flags of `podwire gateway-controller` and of `podwire envoy`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from podwire.cli import podwire
from podwire.edge.controller import flags, fleet
from podwire.edge.controller.fleet import FleetSettings
from podwire.edge.controller.main import GatewayConfig
from podwire.edge.controller.xds_service import PROBE_PORT
from podwire.edge.instance import process
from podwire.edge.instance.configuration import Instance


def given(tmp_path: Path, *arguments: str) -> GatewayConfig:
    """What the command would run."""
    (tmp_path / "token").write_text("secret")
    own = ("--server", "https://192.0.2.1", "--token-file", str(tmp_path / "token"))
    found: Any = flags.configuration(dict(flags.command.make_context("gateway-controller", [*own, *arguments]).params))
    assert isinstance(found, GatewayConfig)
    return found


def test_image_addresses_and_identity(tmp_path: Path) -> None:
    own = ("--envoy-image", "envoys:1", "--pod-ips", "10.0.0.1,fd00::1", "--identity", "one", "--envoys", "3")
    config = given(tmp_path, *own)
    assert (config.image, config.own_addresses, config.identity) == ("envoys:1", ("10.0.0.1", "fd00::1"), "one")
    assert config.fleet.replicas == 3
    assert config.fleet.server == "podwire-gateway-controller.podwire-system.svc"
    assert config.addresses == (("0.0.0.0", PROBE_PORT), ("::", PROBE_PORT))
    assert config.creates_class
    assert not given(tmp_path, "--envoy-image", "a", "--no-create-class").creates_class


def test_without_an_image_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="Missing parameter: image"):
        given(tmp_path)


def test_the_program_of_envoys_takes_what_their_pods_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arguments of the Deployment are those of the verb."""
    settings = FleetSettings("envoys:1", "xds.example", 18000, "xds.svc", command=(flags.ENVOY_VERB,))
    pod = fleet.deployment("podwire", settings)["spec"]["template"]["spec"]
    arguments = [one.replace("$(POD_NAME)", "envoy-1") for one in pod["containers"][0]["args"]]
    ran: list[Instance] = []

    def run(instance: Instance) -> int:
        ran.append(instance)
        return 3

    monkeypatch.setattr(process, "main", run)
    result = CliRunner().invoke(podwire, arguments)
    assert result.exit_code == 3, result.output
    (instance,) = ran
    assert (instance.node, instance.proxy, instance.server_name) == ("envoy-1", "podwire", "xds.svc")
    assert (instance.server, instance.port, instance.probe_port) == ("xds.example", 18000, fleet.PROBE_PORT)
    assert instance.credentials == pod["containers"][0]["volumeMounts"][0]["mountPath"]
    assert instance.program.endswith("/_bin/envoy")
