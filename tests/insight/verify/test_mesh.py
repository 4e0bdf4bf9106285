"""Policies of the mesh, proven with real packets: Envoys answer clients, what arrives at the pods counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from podwire.testing import Home

MESH = Path(__file__).with_name("mesh")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_packets_agree_with_the_model_of_the_mesh(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    found = home.podwire("verify", str(MESH / "reach.yaml"), "-o", "json", check=False, timeout=500)
    lines = json.loads(found.stdout)["expectations"]
    wrong = {one["expect"]: one["seen"] for one in lines if not one["ok"]}
    assert [one["place"] for one in lines if not one["ok"]] == [one["place"] for one in lines[-2:]], found.stdout
    assert wrong["deny"] in {"answered", "arrived, no program answered"}
    assert wrong["allow"] == "the mesh closed it: the pod was not reached"
    assert not any(one["disagreement"] for one in lines), found.stdout
