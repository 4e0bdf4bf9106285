"""What a person meets at the command line when things are not as usual: worlds that start, fail, or are left over."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from podwire.testing.processes import descendants
from tests.world.harness import PODWIRE, Home, World, eventually


def start(home: Home, name: str, *arguments: str) -> subprocess.Popen[str]:
    """`podwire up`, which goes on meanwhile."""
    return subprocess.Popen(
        (PODWIRE, "up", "--name", name, *arguments),
        env=home.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.long
def test_kubectl_waits_for_a_world_that_starts(fresh_home: Home) -> None:
    up = start(fresh_home, "soon")
    eventually((fresh_home.folder / "state/worlds/soon/world.json").exists, 60, "the world's first process")
    try:
        assert fresh_home.podwire("kubectl", "get", "nodes", "-o", "name").stdout == "node/node-1\n"
        assert fresh_home.podwire("status", "--name", "soon").returncode == 0
    finally:
        assert up.wait(60) == 0
        up.communicate()
        fresh_home.podwire("down")


def test_up_ends_at_once_with_the_reason_when_a_first_step_fails(fresh_home: Home) -> None:
    began = time.monotonic()
    up = start(fresh_home, "broken", "--timeout", "100")
    world = World(fresh_home, "broken")
    eventually((fresh_home.folder / "state/worlds/broken/world.json").exists, 60, "the world's first process")

    def bootstrap() -> int:
        return next((pid for pid, name in descendants(world.pid).items() if name == "pw-bootstrap"), 0)

    eventually(lambda: bool(bootstrap()), 60, "the role that makes the first objects")
    os.kill(bootstrap(), signal.SIGKILL)
    _, said = up.communicate(timeout=60)
    assert (up.returncode, "podwire: bootstrap failed:" in said) == (1, True), said
    assert time.monotonic() - began < 90, "long before its time is over"
    assert "No world is running" in fresh_home.podwire("status").stdout


@pytest.mark.long
def test_quiet_says_nothing_and_down_chooses_the_world_that_is_left(fresh_home: Home, tmp_path: Path) -> None:
    manifest = tmp_path / "map.yaml"
    manifest.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n")
    quiet = fresh_home.podwire("up", "-q", "--name", "one", "-f", str(manifest))
    assert (quiet.stdout, quiet.stderr) == ("", "")
    fresh_home.podwire("up", "-q", "--name", "two")
    try:
        said = fresh_home.podwire("down", "--name", "two").stdout
        assert said == "World 'two' is gone.\nkubectl's current context is now podwire-one.\n"
        assert "settings" in fresh_home.run("kubectl", "get", "configmaps", "-o", "name").stdout
    finally:
        assert fresh_home.podwire("down", "--all").stdout == "World 'one' is gone.\n"


@pytest.mark.proves("warning-headers")
def test_an_object_without_effect_gives_a_warning(quarter: World) -> None:
    quota = quarter.kubectl("create", "quota", "few", "--hard=pods=1")
    assert "Warning: podwire stores this ResourceQuota" in quota.stderr
    assert "Warning" not in quarter.kubectl("create", "service", "nodeport", "door", "--tcp=80").stderr
    assert "Warning" not in quarter.kubectl("get", "quota").stderr
    assert "Warning" not in quarter.kubectl("create", "configmap", "plain").stderr


def test_status_says_what_runs_and_what_does_not(quarter: World) -> None:
    quarter.kubectl("run", "missing", "--image=busybox", "--command", "--", "not-there")
    quarter.kubectl("run", "shell", "--image=busybox", "--", "sleep", "1000")
    quarter.kubectl("wait", "pod/shell", "--for=condition=Ready", "--timeout=60s")

    def runs(pod: str) -> str:
        lines = quarter.home.podwire("status", "--name", quarter.name).stdout.splitlines()
        return next(line for line in lines if f"{quarter.namespace}/{pod} " in line)

    eventually(lambda: runs("missing").endswith("nothing: CrashLoopBackOff"), 60, "the refusal in status")
    assert runs("shell").endswith("this machine's programs")
