"""The real image: built twice from the pinned packages, and run in a world."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.world.harness import PODWIRE, Home, World, eventually, running

TOP = Path(__file__).parents[3]

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

IMPORTS = """
import importlib, pkgutil, podwire
failed = []
extra = ("podwire.edge.controller", "podwire.edge.envoy", "podwire.edge.instance", "podwire.edge.xds.server")
for module in pkgutil.walk_packages(podwire.__path__, "podwire."):
    if module.name.startswith(extra):
        continue
    try:
        importlib.import_module(module.name)
    except (ImportError, SystemExit):
        failed.append(module.name)
print("not importable:", *sorted(failed))
"""
"""Not imported there: the program itself, the plugin of pytest, and what needs the packages of `podwire[gateway]`."""

PROGRAMS = {
    "version": (["podwire", "--version"], "podwire, version"),
    "agent": (["podwire", "agent", "--help"], "Run the agent of a node"),
    "bird": (["bird", "--version"], "BIRD version"),
    "setpriv": (["setpriv", "--version"], "util-linux"),
    "iptables": (["iptables-nft", "--version"], "nf_tables"),
    "libraries": (
        [
            "python",
            "-c",
            "import aiohttp, sqlite3, ssl, yaml, ctypes; ctypes.CDLL('libnftables.so.1'); print('loaded')",
        ],
        "loaded",
    ),
    "controller": (["podwire", "controller", "--help"], "Usage: podwire controller"),
    "doctor": (["podwire", "doctor", "--help"], "Usage: podwire doctor"),
    "modules": (["python", "-c", IMPORTS], "not importable: podwire.__main__ podwire.testing.plugin\n"),
    "plugin": (["podwire-cni"], "CNI_COMMAND is not set"),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("first"))


def build(folder: Path) -> Path:
    command = [sys.executable, "-m", "tools.image", "--output", str(folder)]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.oci.tar")
    return path


def test_two_builds_are_the_same(archive: Path, tmp_path: Path) -> None:
    again = build(tmp_path)
    assert again.read_bytes() == archive.read_bytes()
    bills = [next(path.parent.glob("*.spdx.json")).read_bytes() for path in (archive, again)]
    assert bills[0] == bills[1]


def test_the_bill_of_materials_has_a_licence_for_each_package(archive: Path) -> None:
    bill = json.loads(next(archive.parent.glob("*.spdx.json")).read_bytes())
    packages = {each["name"]: each for each in bill["packages"]}
    assert {"libc6", "python3.11-minimal", "bird2", "aiohttp", "podwire"} <= packages.keys()
    image = bill["packages"][0]
    assert [each["name"] for each in bill["packages"] if each["licenseDeclared"] == "NOASSERTION"] == [image["name"]]
    assert all(re.fullmatch("[0-9a-f]{64}", each["checksums"][0]["checksumValue"]) for each in packages.values())


def test_it_runs_in_a_world(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = Home(tmp_path_factory.mktemp("home"))
    loaded = home.run(PODWIRE, "image", "load", str(archive))
    name = re.findall(r"podwire:\S+", loaded.stdout)[0]
    for world in running(home, "image", "--nodes", "1"):
        check(world, name)


def check(world: World, image: str) -> None:
    world.apply(json.dumps(pod(image)))
    eventually(lambda: world.jsonpath("pod/programs", "{.status.phase}") not in {"", "Pending", "Running"}, 120)
    for container, (_, words) in {**PROGRAMS, "dns": ([], "Run the cluster's DNS server")}.items():
        assert words in world.kubectl("logs", "programs", "-c", container).stdout


def pod(image: str) -> Any:
    containers: list[dict[str, Any]] = [
        {"name": name, "image": image, "command": command} for name, (command, _) in PROGRAMS.items()
    ]
    # the entry point, as a user that the image does not know
    containers.append(
        {"name": "dns", "image": image, "args": ["dns", "--help"], "securityContext": {"runAsUser": 4711}}
    )
    spec = {"restartPolicy": "Never", "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "programs"}, "spec": spec}
