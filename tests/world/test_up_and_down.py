"""Worlds come and go: what `up` promises, and that nothing is left of a world that ended, however it ended."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from podwire.lab.base.proc_stat import start_time
from tests.world.harness import PODWIRE, Home, World, eventually, running


def contexts(home: Home) -> list[str]:
    content = yaml.safe_load((home.folder / "kubeconfig").read_text())
    return [entry["name"] for entry in content["contexts"]]


def folders(home: Home) -> list[str]:
    return sorted(path.name for path in (home.folder / "state" / "worlds").iterdir())


def test_up_returns_when_the_network_is_usable_and_down_leaves_nothing(fresh_home: Home) -> None:
    mounts = Path("/proc/self/mounts").read_text()
    result = fresh_home.podwire("up", "--name", "a", "--nodes", "2")
    try:
        assert "DNS answers" in result.stderr
        assert "podwire-a" in result.stdout
        world = World(fresh_home, "a")
        assert world.jsonpath("nodes", "{.items[*].metadata.name}") == "node-1 node-2"
        assert fresh_home.run("kubectl", "config", "current-context").stdout.strip() == "podwire-a"
        lookup = world.run_in("node-2", "dig", "+short", "@10.96.0.10", "kubernetes.default.svc.cluster.local")
        assert lookup.stdout.strip() == "10.96.0.1"
        processes = processes_of(world)
        assert len(processes) > 5
    finally:
        fresh_home.podwire("down", "--name", "a")
    assert_nothing_is_left(fresh_home, processes, mounts)


def processes_of(world: World) -> list[int]:
    """All processes of a world, that which binds ports below 1024 outside of it included."""
    low, _ = json.loads((world.folder / "world.json").read_text())["low_ports"]
    return [*world.processes(), *filter(None, [low])]


def assert_nothing_is_left(home: Home, processes: list[int], mounts: str) -> None:
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes), 60, "the end of all processes")
    assert Path("/proc/self/mounts").read_text() == mounts
    assert home.podwire("status").stdout.startswith("No world is running")
    assert folders(home) == []
    assert contexts(home) == []


@pytest.mark.long
def test_two_worlds_live_side_by_side_and_names_are_taken_once(fresh_home: Home) -> None:
    for first in running(fresh_home, "a"):
        result = fresh_home.podwire("up", "--name", "a", check=False)
        assert result.returncode != 0
        assert "is running already" in result.stderr
        assert "Traceback" not in result.stderr
        for second in running(fresh_home, "b"):
            first.kubectl("create", "namespace", "only-in-a")
            assert "only-in-a" not in second.kubectl("get", "namespaces").stdout
            status = json.loads(fresh_home.podwire("status", "-o", "json").stdout)
            assert [entry["name"] for entry in status] == ["a", "b"]


def test_nothing_is_left_when_the_first_process_is_killed(fresh_home: Home) -> None:
    mounts = Path("/proc/self/mounts").read_text()
    fresh_home.podwire("up", "--quiet", "--name", "a")
    world = World(fresh_home, "a")
    processes = processes_of(world)
    assert len(processes) > 5
    os.kill(world.pid, signal.SIGKILL)
    assert_nothing_is_left(fresh_home, processes, mounts)


def first_processes() -> set[int]:
    """Every living first process of a world, of any user of podwire on this machine."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text() == "pw-init\n" and start_time(int(path.parent.name)) is not None:
                found.add(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        (signal.SIGINT, 1, "Aborted!"),
        (signal.SIGTERM, 143, "podwire: ended by SIGTERM; nothing of world 'a' is left"),
        (signal.SIGHUP, 129, "podwire: ended by SIGHUP; nothing of world 'a' is left"),
    ],
)
def test_an_interrupted_up_leaves_nothing(fresh_home: Home, how: signal.Signals, status: int, words: str) -> None:
    first, starting = begun(fresh_home)
    starting.send_signal(how)
    _, said = starting.communicate(timeout=60)
    assert starting.returncode == status
    assert words in said
    eventually(lambda: first not in first_processes(), 60, "the end of the first process")
    assert folders(fresh_home) == []


NEVER_AVAILABLE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: never}
spec:
  selector: {matchLabels: {app: never}}
  template:
    metadata: {labels: {app: never}}
    spec: {nodeSelector: {no: such}, containers: [{name: c, image: busybox}]}
"""


@pytest.mark.long
def test_a_world_that_is_up_stays_when_its_manifests_are_given_up(fresh_home: Home) -> None:
    manifest = fresh_home.folder / "never.yaml"
    manifest.write_text(NEVER_AVAILABLE)
    applying = subprocess.Popen(
        ["env", "--default-signal=TERM", PODWIRE, "up", "--name", "a", "-f", str(manifest)],
        env=fresh_home.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert applying.stderr is not None
    assert any("waiting for Deployments" in line for line in applying.stderr)
    applying.terminate()
    _, said = applying.communicate(timeout=60)
    assert applying.returncode == 143
    assert "podwire: ended by SIGTERM; world 'a' is up; 'podwire down --name a' ends it" in said
    assert World(fresh_home, "a").kubectl("get", "deployments").stdout.count("never") == 1
    fresh_home.podwire("down", "--name", "a")


def test_down_clears_away_what_a_killed_up_left(fresh_home: Home) -> None:
    first, starting = begun(fresh_home)
    starting.kill()
    starting.communicate(timeout=60)
    eventually(lambda: first not in first_processes(), 60, "the end of the first process")
    assert folders(fresh_home) == ["a"]
    cleared = fresh_home.podwire("down", "--name", "a")
    assert "World 'a' was dead; what it left is cleared away." in cleared.stderr
    assert folders(fresh_home) == []
    assert "no world 'a' is running" in fresh_home.podwire("down", "--name", "a", check=False).stderr


def begun(home: Home) -> tuple[int, subprocess.Popen[str]]:
    """A `podwire up --name a` that is still at work, and the first process of its world."""
    starting = subprocess.Popen(
        ["env", "--default-signal=INT,TERM,HUP", PODWIRE, "up", "--name", "a"],
        env=home.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert starting.stderr is not None
    assert any("first process" in line for line in starting.stderr), "a warning may come before it"
    record = home.folder / "state" / "worlds" / "a" / "world.json"
    eventually(record.exists, 60, "the record of the world")
    first = int(json.loads(record.read_text())["pid"])
    eventually(lambda: first in first_processes(), 60, "the name of the first process")
    return first, starting
