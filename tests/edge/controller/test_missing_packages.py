from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from click.testing import CliRunner

from podwire.cli import podwire
from podwire.edge.controller import missing_packages
from podwire.edge.controller.missing_packages import missing, missing_here, remedy, report
from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import NamespacedName
from tests.edge.controller.fake_gateway_api import GatewayApi


def test_packages_that_are_not_there_are_named() -> None:
    assert missing(lambda _: None) == ("grpcio", "xds-protos")
    assert missing(lambda name: None if name == "grpc" else name) == ("grpcio",)
    assert missing_here() == ()
    assert "podwire[gateway]" in remedy(("grpcio",))


def test_the_report_needs_none_of_them() -> None:
    found = "bool({'grpc', 'xds', 'google'} & set(sys.modules))"
    code = f"import sys, podwire.edge.controller.missing_packages; sys.exit({found})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_each_class_of_this_controller_has_the_remedy_and_no_other() -> None:
    def conditions(name: str) -> list[dict[str, str]]:
        found = api.objects[GATEWAY_CLASSES.resource][NamespacedName("", name)]
        conditions: list[dict[str, str]] = found.get("status", {}).get("conditions", [])
        return conditions

    api = GatewayApi()
    api.put(GATEWAY_CLASSES, "other", spec={"controllerName": "example.com/other"})
    api.put(GATEWAY_CLASSES, "first", spec={"controllerName": CONTROLLER_NAME})
    task = asyncio.create_task(report(api, ("grpcio",)))
    try:
        await api.until(lambda: bool(conditions("first")), 30)
        api.put(GATEWAY_CLASSES, "second", spec={"controllerName": CONTROLLER_NAME})
        await api.until(lambda: bool(conditions("second")), 30)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    for name in ("first", "second"):
        (one,) = conditions(name)
        assert (one["type"], one["status"], one["reason"]) == ("Accepted", "False", "Unsupported")
        assert "grpcio" in one["message"]
        assert "podwire[gateway]" in one["message"]
    assert conditions("other") == []


def test_the_verb_names_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing_packages, "missing", lambda: ("grpcio",))
    found = CliRunner().invoke(podwire, ["gateway-controller", "--server", "https://192.0.2.1", "--envoy-image", "a"])
    assert found.exit_code == 1
    assert "grpcio" in found.output
    assert "podwire[gateway]" in found.output
