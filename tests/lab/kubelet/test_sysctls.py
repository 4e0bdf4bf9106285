"""Kernel parameters of pods."""

from __future__ import annotations

import pytest

from podwire.kube.core import Sysctl
from podwire.lab.kubelet.sysctls import forbidden, values
from tests.lab.nodes import is_ready, log_of, node, shell
from tests.lab.shims import until
from tests.sandbox import in_world


@pytest.mark.parametrize(
    ("name", "host_network", "message"),
    [
        ("net.ipv4.tcp_syncookies", False, ""),
        ("net/ipv4/tcp_syncookies", False, ""),
        (
            "net.ipv4.tcp_syncookies",
            True,
            'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled',
        ),
        ("net.ipv4.ip_forward", False, 'forbidden sysctl: "net.ipv4.ip_forward" not allowlisted'),
        ("kernel.msgmax", False, 'forbidden sysctl: "kernel.msgmax" not allowlisted'),
    ],
)
def test_which_are_allowed(name: str, host_network: bool, message: str) -> None:
    assert forbidden([Sysctl(name=name, value="1")], host_network=host_network) == message


def test_where_they_are_written() -> None:
    wanted = [Sysctl(name="net.ipv4.tcp_fin_timeout", value="7"), Sysctl(name="net/ipv4/tcp_syncookies", value="0")]
    assert values(wanted) == {"net/ipv4/tcp_fin_timeout": "7", "net/ipv4/tcp_syncookies": "0"}


@in_world
async def test_a_pod_has_the_parameters_that_it_names_and_may_set_no_others() -> None:
    async with node() as home:
        ports = [{"name": "net.ipv4.ip_local_port_range", "value": "40000 40100"}]
        read = shell("cat /proc/sys/net/ipv4/ip_local_port_range; sleep 1000")
        await home.create("web", read, securityContext={"sysctls": ports})
        pod = await home.when("web", is_ready)
        await until(lambda: "F 40000\t40100" in log_of(pod))
        routes = [{"name": "net.ipv4.ip_forward", "value": "1"}]
        await home.create("bad", read, securityContext={"sysctls": routes})
        pod = await home.when("bad", lambda p: p["status"]["phase"] == "Failed")
        assert pod["status"]["reason"] == "SysctlForbidden"
        assert await home.event("bad", "SysctlForbidden") == 'forbidden sysctl: "net.ipv4.ip_forward" not allowlisted'
