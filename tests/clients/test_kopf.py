"""An operator of PyPI `kopf`, a process beside a whole world: handlers, finalizers, status, timers, and deaths."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from podwire.testing import World, eventually
from tests.children import ENDS_WITH_PARENT

pytestmark = pytest.mark.long

OPERATOR = Path(__file__).with_name("operator_of_gardens.py")

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gardens.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: gardens, singular: garden, kind: Garden, shortNames: [gd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns: [{name: Flower, type: string, jsonPath: .spec.flower}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, required: [flower], properties: {flower: {type: string}}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""


@dataclass
class Operator:
    """The operator as a process beside the world."""

    world: World
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["run", "--standalone", "--namespace", self.world.namespace, "--verbose", str(OPERATOR)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*ENDS_WITH_PARENT, sys.executable, "-m", "kopf", *words],
                env=self.world.environment,
                stdout=output,
                stderr=output,
            )

    def kill(self) -> None:
        """As a node that dies kills it."""
        assert self.process is not None
        assert self.process.poll() is None, f"the operator ended by itself:\n{self.log.read_text()[-3000:]}"
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def running(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    world.apply(CRD)
    world.kubectl.wait("crd/gardens.example.com", "condition=Established")
    operator = Operator(world, tmp_path_factory.mktemp("operator") / "log")
    operator.start()
    try:
        yield operator
        world.kubectl("delete", "gardens", "--all", "--timeout=60s")
    finally:
        operator.kill()
    world.kubectl("delete", "-f", "-", stdin=CRD)


@pytest.fixture
def operator(running: Operator) -> Iterator[World]:
    """The world with the operator at work; its output is in the report of a failure."""
    before = running.log.stat().st_size
    yield running.world
    sys.stdout.write(running.log.read_text()[before:])


def garden(name: str, flower: str) -> str:
    return f"apiVersion: example.com/v1\nkind: Garden\nmetadata: {{name: {name}}}\nspec: {{flower: {flower}}}\n"


def status(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = world.kubectl.json("garden", name).get("status", {})
    return found


def bed(world: World, name: str) -> dict[str, str]:
    """The data of the garden's ConfigMap; empty where there is none."""
    text = world.kubectl("get", "configmap", name, "-o", "json", "--ignore-not-found").stdout
    return json.loads(text)["data"] if text else {}


@pytest.mark.proves("client-kopf")
def test_handlers_retry_and_write_their_result_to_the_status(operator: World) -> None:
    operator.apply(garden("roses", "rose"))
    eventually(lambda: status(operator, "roses").get("plant"), 60, "the handler's result")
    assert status(operator, "roses")["plant"] == {"bed": "roses", "tries": 2}
    assert bed(operator, "roses") == {"flower": "rose"}
    owner = operator.kubectl.json("configmap", "roses")["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"]) == ("Garden", "roses")
    assert operator.jsonpath("garden roses", "{.metadata.finalizers}") == '["gardens.example.com/kopf"]'
    assert "kopf.zalando.org/last-handled-configuration" in operator.jsonpath("garden roses", "{.metadata.annotations}")
    events = ("events", "--for", "garden/roses")
    eventually(lambda: "rose is planted" in operator.kubectl(*events).stdout, 60, "the event of the operator")


@pytest.mark.proves("client-kopf")
def test_an_update_is_handled_and_timers_go_on(operator: World) -> None:
    operator.apply(garden("tulips", "tulip"))
    eventually(lambda: bed(operator, "tulips"), 60, "the bed")
    operator.apply(garden("tulips", "lily"))
    eventually(lambda: bed(operator, "tulips") == {"flower": "lily", "before": "tulip"}, 60, "the new flower")
    eventually(lambda: status(operator, "tulips").get("flower") == "lily", 60, "the status")
    days = status(operator, "tulips").get("days", 0)
    eventually(lambda: status(operator, "tulips").get("days", 0) > days + 1, 60, "two more days")
    assert "lily" in operator.kubectl("get", "gd", "tulips").stdout


@pytest.mark.proves("client-kopf")
def test_a_deletion_waits_for_its_handler_and_removes_dependents(operator: World) -> None:
    operator.apply(garden("daisies", "daisy"))
    eventually(lambda: bed(operator, "daisies"), 60, "the bed")
    operator.kubectl("delete", "garden", "daisies", "--timeout=60s")
    assert operator.kubectl("get", "configmap", "daisies-was-cleared").returncode == 0
    eventually(lambda: not bed(operator, "daisies"), 60, "the end of what the garden owned")


@pytest.mark.proves("client-kopf")
def test_events_of_built_in_kinds_are_watched_by_label(operator: World) -> None:
    for name, answer in (("nettle", "yes"), ("herb", "no")):
        operator.kubectl("create", "configmap", name)
        operator.kubectl("label", "configmap", name, f"weed={answer}")
    gone = ("get", "configmap", "nettle", "--ignore-not-found", "-o", "name")
    eventually(lambda: not operator.kubectl(*gone).stdout, 60, "the end of the nettle")
    assert operator.kubectl("get", "configmap", "herb").returncode == 0


@pytest.mark.proves("client-kopf", "watch-resume-after-restart")
def test_an_operator_continues_after_the_api_server_was_killed(operator: World) -> None:
    operator.apply(garden("asters", "aster"))
    eventually(lambda: bed(operator, "asters"), 60, "the bed")
    operator.kill("apiserver")
    operator.apply(garden("asters", "dahlia"))
    eventually(lambda: bed(operator, "asters").get("flower") == "dahlia", 60, "the change after the death")


@pytest.mark.proves("client-kopf")
def test_a_new_operator_continues_where_a_killed_one_was(operator: World, running: Operator) -> None:
    operator.apply(garden("irises", "iris"))
    operator.apply(garden("doomed", "weed"))
    planted = "{.items[?(@.status.plant)].metadata.name}"
    wanted = {"irises", "doomed"}
    eventually(lambda: wanted <= set(operator.jsonpath("gardens", planted).split()), 60, "the handlers' results")
    running.kill()
    operator.apply(garden("irises", "crocus"))
    operator.kubectl("delete", "garden", "doomed", "--wait=false")
    assert bed(operator, "irises") == {"flower": "iris"}
    assert operator.jsonpath("garden doomed", "{.metadata.deletionTimestamp}"), "nobody has let it go yet"
    running.start()
    eventually(lambda: bed(operator, "irises").get("before") == "iris", 60, "the change that was missed")
    gone = ("get", "garden", "doomed", "--ignore-not-found", "-o", "name")
    eventually(lambda: not operator.kubectl(*gone).stdout, 60, "the deletion that was missed")
    assert operator.kubectl("get", "configmap", "doomed-was-cleared").returncode == 0
