"""Which pods a node rejects."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.kube.core import Pod
from podwire.lab.kubelet.admission import rejection


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
    found = rejection(msgspec.convert({"spec": spec}, Pod))
    assert (found.reason if found is not None else None) == reason
