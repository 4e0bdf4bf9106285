"""Which pods a node rejects."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.kube.core import Pod
from podwire.lab.kubelet.admission import NO_PORTS, rejection
from tests.controllers.build import pod
from tests.kube.test_host_ports import publishing
from tests.lab.nodes import is_ready, node, shell
from tests.sandbox import in_world


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({}, None),
        ({"os": {"name": "linux"}}, None),
        ({"os": {"name": "windows"}}, "PodOSNotSupported"),
        ({"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}}, None),
        ({"securityContext": {"sysctls": [{"name": "kernel.shmmax", "value": "1"}]}}, "SysctlForbidden"),
    ],
)
def test_rejections(spec: dict[str, Any], reason: str | None) -> None:
    found = rejection(msgspec.convert({"spec": spec}, Pod), ())
    assert (found.reason if found is not None else None) == reason


@pytest.mark.parametrize(("port", "taken"), [(8080, True), (8081, False)])
def test_a_host_port_belongs_to_one_pod_of_the_node(port: int, taken: bool) -> None:
    found = rejection(publishing({"hostPort": 8080}), [pod(), publishing({"hostPort": port})])
    assert (found == NO_PORTS) == taken
    assert rejection(pod(), [publishing({"hostPort": port})]) is None


@in_world
async def test_a_pod_whose_host_port_is_taken_is_rejected_until_the_port_is_free() -> None:
    async with node() as home:
        main = shell("sleep 1000", ports=[{"containerPort": 80, "hostPort": 8080}])
        await home.create("first", main)
        await home.when("first", is_ready)
        await home.create("second", main)
        rejected = await home.when("second", lambda p: p["status"]["phase"] == "Failed")
        assert (rejected["status"]["reason"], rejected["status"]["message"]) == (
            "NodePorts",
            f"Pod was rejected: {NO_PORTS.message}",
        )
        assert await home.event("second", "NodePorts") == NO_PORTS.message
        await home.restart()
        await home.when("first", is_ready)
        await home.delete("first", grace_seconds=0)
        await home.create("third", main)
        await home.when("third", is_ready)
        assert (await home.pod("second"))["status"]["phase"] == "Failed"
