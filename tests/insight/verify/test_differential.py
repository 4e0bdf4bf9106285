"""Of random clusters reach, explain, a naive evaluator and real packets say the same of every connection."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

from podwire.insight.answer_form import Verdict
from podwire.insight.connection import answer
from podwire.insight.verify import expectation_file, generate
from podwire.insight.verify.expectations import Expectation
from podwire.kube import yaml_output
from podwire.testing import Home
from tests.insight.connection import naive, random_cluster
from tests.insight.connection.test_differential import Made, read

Object = dict[str, Any]
CLUSTERS = 6
EXPLAINED = 150


class Together:
    """Several random clusters in one: each has namespaces of its own, and policies that may mean all of them."""

    def __init__(self, seed: int) -> None:
        self.objects: list[Object] = []
        self.pods: list[Object] = []
        self.spaces: Object = {}
        for number in range(CLUSTERS):
            made = Made(seed * 100 + number, with_blocks=False)
            self.objects += _moved(made.objects, f"c{number}-")
            self.pods += _moved(made.pods, f"c{number}-")
        for one in self.objects:
            if one["kind"] == "Namespace":
                self.spaces[one["metadata"]["name"]] = one["metadata"]["labels"]
            if one["kind"] == "Pod":
                one["spec"]["containers"][0]["ports"] = _every_port(one["spec"]["containers"][0]["ports"])
                one["status"] = {}
        self.policies = [one for one in self.objects if one["kind"] == "NetworkPolicy"]

    def allowed(self, source: str, destination: str, port: int) -> bool:
        """What the naive evaluator says of two pods."""
        found = {f"{one['namespace']}/{one['name']}": one for one in self.pods}
        return naive.allowed(self.policies, self.spaces, found[source], found[destination], port)


def _moved(found: list[Object], prefix: str) -> list[Object]:
    """Rename the namespaces, in selectors too."""
    text = json.dumps(found)
    for name in random_cluster.SPACES:
        for field in ("namespace", "name", "kubernetes.io/metadata.name"):
            text = text.replace(f'"{field}": "{name}"', f'"{field}": "{prefix}{name}"')
    moved: list[Object] = json.loads(text)
    return moved


def _every_port(named: list[Object]) -> list[Object]:
    names = {one["containerPort"]: one["name"] for one in named}
    ports = random_cluster.PORTS
    return [{"containerPort": one, **({"name": names[one]} if one in names else {})} for one in ports]


def between_pods(together: Together, text: str) -> list[Expectation]:
    """The generated expectations of every two pods of the clusters; the others are of DNS and of what is outside."""
    known = {f"{one['namespace']}/{one['name']}" for one in together.pods}
    entries = expectation_file.parse(text, "reach.yaml").entries
    return [one for one in entries if {one.source, one.destination} <= known]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_what_reach_generates_is_what_explain_and_the_naive_evaluator_say(seed: int) -> None:
    together = Together(seed)
    snapshot = read(together.objects)
    found = between_pods(together, generate.text(snapshot, ["."], "reach.yaml"))
    assert len(found) == len(list(itertools.permutations(together.pods, 2))) * len(random_cluster.PORTS)
    assert {one.expect for one in found} == {"allow", "deny"}
    for one in found:
        assert isinstance(one.port, int)
        assert together.allowed(one.source, one.destination, one.port) is one.is_allowed, one.label
    for one in random.Random(seed).sample(found, EXPLAINED):
        verdict = answer.report(one.source, f"{one.destination}:{one.port}", snapshot).verdict
        assert (verdict is Verdict.ALLOWED) is one.is_allowed, one.label


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
def test_real_packets_say_the_same(seed: int, tmp_path: Path) -> None:
    together = Together(seed)
    (tmp_path / "all.yaml").write_text(yaml_output.blocks(together.objects))
    file = tmp_path / "reach.yaml"
    file.write_text(generate.text(read(together.objects), [str(tmp_path)], str(file)))
    found = Home(tmp_path / "home").podwire("verify", str(file), "-o", "json", check=False, timeout=500)
    lines = json.loads(found.stdout)["expectations"]
    wrong = [one for one in lines if not one["ok"]]
    assert (found.returncode, wrong) == (0, []), found.stderr
    assert len(lines) > 2500
