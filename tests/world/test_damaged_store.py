"""A world whose store is damaged, or whose disk is full, says so and is well again when that is put right."""

import json

import pytest

from tests.world.harness import World, eventually

pytestmark = pytest.mark.long

STORE = "/run/podwire/store/api.db"


def inside(world: World, script: str, check: bool = True) -> str:
    """Run a script as root of the world, on its own files."""
    return world.run_in("underlay", "sh", "-ec", script, check=check).stdout


@pytest.mark.proves("bad-database")
def test_a_damaged_store_is_reported_and_a_restored_one_is_used(world: World) -> None:
    world.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    inside(world, f"kill -STOP $(pgrep -x pw-apiserver); cp {STORE} {STORE}.copy; cp {STORE}-wal {STORE}.copy-wal")
    inside(world, f"kill -9 $(pgrep -x pw-apiserver); : > {STORE}")
    eventually(lambda: "does not start" in world.home.podwire("logs", "--name", world.name, "apiserver").stdout)
    reported = world.home.podwire("status", "--name", world.name, check=False)
    assert reported.returncode == 1
    for words in (world.name, STORE, "the file is empty", "restore a copy", "podwire logs"):
        assert words in reported.stderr
    assert "Traceback" not in reported.stderr + world.home.podwire("logs", "--name", world.name, "apiserver").stdout
    inside(world, f"cp {STORE}.copy {STORE}; cp {STORE}.copy-wal {STORE}-wal")
    eventually(lambda: world.kubectl("get", "configmap", "kept", check=False).returncode == 0, 60)


@pytest.mark.proves("bad-full-disk")
def test_a_full_disk_is_reported_to_the_client(world: World) -> None:
    """The store's disk is in memory: a file takes all that is left of it."""
    folder = "/run/podwire/store"
    inside(world, f"mount -o remount,size=$(( $(df -k --output=used {folder} | tail -1) + 64 ))k {folder}")
    data = json.dumps(
        {"metadata": {"name": "large"}, "data": {"a": "x" * 900_000}, "kind": "ConfigMap", "apiVersion": "v1"}
    )
    refused = world.kubectl("create", "-f", "-", stdin=data, check=False)
    assert refused.returncode == 1
    assert "the store cannot be written" in refused.stderr
    assert "free space" in refused.stderr
    assert world.kubectl("get", "nodes").returncode == 0
    inside(world, f"mount -o remount,size=10% {folder}")
    world.kubectl("create", "-f", "-", stdin=data)
