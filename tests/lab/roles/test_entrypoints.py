from typing import Any

import msgspec
import pytest

from podwire.kube.kinds import GATEWAY_CLASSES, INGRESSES, PODS, SERVICES, Kind
from podwire.kube.watch import Change
from podwire.lab.host.role_specs import GATEWAY_CONTROLLER
from podwire.lab.host.service_options import ServiceOptions
from podwire.lab.roles import entrypoints
from podwire.lab.roles.entrypoints import listened


@pytest.mark.parametrize(("channel", "expected"), [("", False), ("standard", True), ("experimental", True)])
def test_only_kinds_that_the_api_server_serves_are_listened_to(channel: str, expected: bool) -> None:
    kinds = [kind for kind, _ in listened(ServiceOptions(gateway_api=channel))]
    assert (GATEWAY_CLASSES in kinds) == expected, "an informer of a kind that is not served never gets ready"
    assert INGRESSES in kinds


@pytest.mark.parametrize(
    ("kind", "starts"), [(GATEWAY_CLASSES, True), (INGRESSES, True), (PODS, False), (SERVICES, False)]
)
def test_the_gateway_controller_starts_with_the_first_class_or_ingress(
    monkeypatch: pytest.MonkeyPatch, kind: Kind[Any], starts: bool
) -> None:
    requested: list[str] = []

    class Requests:
        def __init__(self, role: str) -> None:
            self.role = role

        def require(self) -> None:
            requested.append(self.role)

    monkeypatch.setattr(entrypoints, "Demand", Requests)
    item = msgspec.convert({"metadata": {"name": "a", "namespace": "shop"}}, kind.type)
    for one, changed in listened(ServiceOptions(gateway_api="standard")):
        if one == kind:
            changed(Change(item, item))
            assert GATEWAY_CONTROLLER not in requested, "a change of an object that was there before"
            changed(Change(None, item))
    assert (GATEWAY_CONTROLLER in requested) is starts
