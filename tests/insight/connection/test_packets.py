"""What explanations of written objects say is what real packets do, in a world of these objects."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from podwire.insight.answer_form import Verdict
from podwire.insight.connection import answer
from podwire.kube import yaml_output
from podwire.testing import Home
from tests.insight.connection import random_cluster
from tests.insight.connection.test_differential import Made, read

Object = dict[str, Any]


@pytest.mark.long
@pytest.mark.parametrize("seed", [3, 11])
def test_real_packets_agree(seed: int, tmp_path: Path) -> None:
    made = Made(seed, with_blocks=True)
    objects = [_started(one) if one["kind"] == "Pod" else one for one in made.objects]
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "all.yaml").write_text(yaml_output.blocks(objects))
    expectations = _expectations(made, objects)
    assert {one["expect"] for one in expectations} == {"allow", "deny"}
    file = tmp_path / "reach.yaml"
    file.write_text(yaml_output.block({"files": ["objects"], "nodes": 2, "expectations": expectations}))
    found = Home(tmp_path / "home").podwire("verify", str(file), "-o", "json", check=False, timeout=240)
    assert found.stdout, found.stderr
    wrong = [one for one in json.loads(found.stdout)["expectations"] if not one["ok"]]
    assert (found.returncode, wrong) == (0, []), found.stderr


def _started(pod: Object) -> Object:
    """Return a pod that listens on every port."""
    (container,) = pod["spec"]["containers"]
    names = {one["containerPort"]: one["name"] for one in container["ports"]}
    ports = [{"containerPort": one, **({"name": names[one]} if one in names else {})} for one in random_cluster.PORTS]
    started = {"name": "c", "image": "registry.example.com/none:1", "ports": ports}
    return {**pod, "spec": {"containers": [started]}, "status": {}}


def _expectations(made: Made, objects: list[Object]) -> list[Object]:
    """Return what explanations say of every connection that does not depend on an address."""
    snapshot = read(objects)
    found = []
    for source, server in itertools.permutations(made.pods, 2):
        for port in random_cluster.PORTS:
            names = [f"{one['namespace']}/{one['name']}" for one in (source, server)]
            verdict = answer.report(names[0], f"{names[1]}:{port}", snapshot).verdict
            if verdict is not Verdict.UNDECIDABLE:
                expect = "allow" if verdict is Verdict.ALLOWED else "deny"
                found.append({"from": names[0], "to": names[1], "port": port, "expect": expect})
    return found
