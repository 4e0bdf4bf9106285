"""The conditions of a node."""

from __future__ import annotations

from pathlib import Path

import pytest

from podwire.lab.kubelet.node_conditions import Readings, conditions, read

GI = 1024**3
CALM = Readings(memory=4 * GI, storage=5 * GI, storage_total=10 * GI)


def states(readings: Readings, trouble: str = "") -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in conditions(readings, trouble, "now", [])}


def test_a_node_without_pressure() -> None:
    assert states(CALM) == {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID"),
        "Ready": ("True", "KubeletReady"),
    }


@pytest.mark.parametrize(
    ("readings", "kind", "reason"),
    [
        (Readings(99 * 1024**2, 5 * GI, 10 * GI), "MemoryPressure", "KubeletHasInsufficientMemory"),
        (Readings(4 * GI, GI - 1, 10 * GI), "DiskPressure", "KubeletHasDiskPressure"),
    ],
)
def test_pressure(readings: Readings, kind: str, reason: str) -> None:
    found = states(readings)
    assert found.pop(kind) == ("True", reason)
    assert all(found[other] == states(CALM)[other] for other in found)


def test_a_network_that_cannot_take_pods() -> None:
    assert states(CALM, "no plugin")["Ready"] == ("False", "KubeletNotReady")
    assert conditions(CALM, "no plugin", "now", [])[-1]["message"] == "no plugin"


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    first = conditions(CALM, "", "1", [])
    second = {one["type"]: one for one in conditions(CALM, "no plugin", "2", first)}
    assert (second["Ready"]["lastTransitionTime"], second["PIDPressure"]["lastTransitionTime"]) == ("2", "1")
    assert second["PIDPressure"]["lastHeartbeatTime"] == "2"


def test_readings_of_this_machine(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.memory > 0
    assert 0 < found.storage <= found.storage_total
