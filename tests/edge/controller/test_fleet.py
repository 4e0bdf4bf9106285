"""The Deployment of a proxy, by the controller's settings and its parameters."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.edge.controller.fleet import FleetSettings, deployment, settings_of
from podwire.edge.gateway.parameters import Parameters, parse

SETTINGS = FleetSettings("envoys:1", "xds.example", 18000, "xds.svc", replicas=2)


def container(data: dict[str, str]) -> tuple[int, dict[str, Any], list[str]]:
    """Return the replicas, the resources and the arguments with these parameters."""
    spec = deployment("podwire", settings_of(SETTINGS, parse(data)))["spec"]
    (found,) = spec["template"]["spec"]["containers"]
    return spec["replicas"], found["resources"], found["args"]


def test_without_parameters_a_proxy_is_as_the_controller_has_it() -> None:
    assert settings_of(SETTINGS, Parameters()) == SETTINGS
    replicas, resources, arguments = container({})
    assert replicas == 2
    assert resources == {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}
    assert {"--connections=10000", "--heap-bytes=966367641"} <= set(arguments)


def test_parameters_of_a_proxy_are_in_its_deployment() -> None:
    given = {"replicas": "5", "cpu": "2", "memory": "256Mi", "memory-limit": "512Mi", "connections": "100"}
    replicas, resources, arguments = container(given)
    assert replicas == 5
    assert resources == {"requests": {"cpu": "2", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}
    assert {"--connections=100", "--heap-bytes=483183820"} <= set(arguments)


@pytest.mark.parametrize(
    ("data", "memory", "limit"),
    [
        ({"memory": "2Gi"}, "2Gi", "2Gi"),
        ({"memory": "512Mi"}, "512Mi", "1Gi"),
        ({"memory-limit": "64Mi"}, "64Mi", "64Mi"),
    ],
)
def test_of_two_amounts_of_memory_one_follows_the_other(data: dict[str, str], memory: str, limit: str) -> None:
    _, resources, _ = container(data)
    assert (resources["requests"]["memory"], resources["limits"]["memory"]) == (memory, limit)
