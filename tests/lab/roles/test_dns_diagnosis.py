from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from podwire.lab.host.pod_reports import PodReport
from podwire.lab.roles.dns_diagnosis import last_line, trouble


def pod(**container: Any) -> PodReport:
    raw = {
        "metadata": {"name": "coredns-1", "uid": "7"},
        "spec": {"nodeName": "node-1"},
        "status": {"containerStatuses": [{"name": "dns", **container}]},
    }
    return msgspec.convert(raw, PodReport)


def reported(nodes: Path, **container: Any) -> str:
    found = pod(**container)
    return trouble(found, found.status.container_statuses[0], nodes)


@pytest.mark.parametrize("state", [{"running": {}}, {"waiting": {"reason": "ContainerCreating"}}])
def test_what_is_on_its_way_is_no_trouble(tmp_path: Path, state: dict[str, Any]) -> None:
    assert reported(tmp_path, state=state) == ""


def test_a_container_that_cannot_start_says_why(tmp_path: Path) -> None:
    waiting = {"reason": "CreateContainerError", "message": "no such file"}
    shown = reported(tmp_path, state={"waiting": waiting})
    assert shown == "pod coredns-1, container dns: CreateContainerError: no such file"


def test_one_that_crashes_says_its_last_line(tmp_path: Path) -> None:
    logs = tmp_path / "node-1" / "pods" / "7" / "logs" / "dns"
    logs.mkdir(parents=True)
    stamp = "2026-01-01T00:00:00.000000000Z stderr F"
    (logs / "1.log").write_text(f"{stamp} Traceback\n{stamp} OSError: address in use\n{stamp} \n")
    shown = reported(tmp_path, restartCount=2, state={"running": {}})
    assert shown == "pod coredns-1, container dns: was started 3 times; its log ends: OSError: address in use"
    assert last_line(tmp_path) == ""
