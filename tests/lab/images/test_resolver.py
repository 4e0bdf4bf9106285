from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podwire.kube.core import Pod
from podwire.kube.services import Service
from podwire.lab.container.plan import Call, Execute, Mount, Refuse
from podwire.lab.images import loading
from podwire.lab.images.resolution import Machine
from podwire.lab.images.resolver import Catalog, InHouse, Resolution
from podwire.lab.images.store import Store
from podwire.lab.standin import server
from podwire.lab.standin.port import Port
from tests.lab.images.building import Image, entry, oci, tar

OWN = InHouse("a.b:main", {"/opt/x": "/files/x"})
CATALOG = Catalog(Machine(lambda path: path in {"/bin/sh", "/usr/bin/env"}), {"podwire/dns": OWN})


def find(container: dict[str, Any], *services: dict[str, Any]) -> Resolution:
    raw = {"metadata": {"name": "p", "labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", **container}]}}
    pod = msgspec.convert(raw, Pod)
    known = [msgspec.convert(service, Service) for service in services]
    return CATALOG(pod, pod.spec.containers, known, ("10.0.0.1",))["c"]


def test_programs_of_the_machine() -> None:
    found = find({"image": "nginx", "command": ["env", "x"]})
    assert found.program == Execute(arguments=("/usr/bin/env", "x"), file="/usr/bin/env")
    assert (found.stand_in, found.image_id) == ("", "podwire://machine/nginx")


@pytest.mark.parametrize(("image", "first"), [("busybox", True), ("alpine:3", True), ("debian", False)])
def test_busyboxs_programs_come_first_in_its_images(image: str, first: bool) -> None:
    machine = Machine(lambda path: path in {"/bin/sh", "/bin/busybox"}, frozenset({"sh", "nc"}))
    found = in_store(replace(CATALOG, machine=machine, applets="/node/busybox"), image=image)
    assert (found.applets, found.applets_first) == ("/node/busybox", first)
    assert found.program == (
        Execute(arguments=("sh",), file="/.busybox/sh") if first else Execute(arguments=("/bin/sh",), file="/bin/sh")
    )


def test_stand_ins_have_them_too_and_a_machine_without_busybox_has_none() -> None:
    machine = Machine(lambda path: path in {"/bin/sh", "/bin/busybox"}, frozenset({"sh", "nc"}))
    found = in_store(replace(CATALOG, machine=machine, applets="/node/busybox"), image="nginx")
    assert (found.applets, found.applets_first) == ("/node/busybox", False)
    assert in_store(replace(CATALOG, applets="/node/busybox"), image="nginx").applets == ""


def test_a_missing_command_is_an_error() -> None:
    program = find({"image": "nginx", "command": ["nginx"]}).program
    assert isinstance(program, Refuse)
    assert "'nginx'" in program.message


@pytest.mark.parametrize(("command", "runs"), [("/tools/a", True), ("./a", True), ("/other/a", False), ("a", False)])
def test_a_program_in_a_volume_is_looked_for_when_the_container_starts(command: str, runs: bool) -> None:
    mounts = [{"name": "v", "mountPath": "/tools"}]
    found = find({"image": "app", "command": [command, "x"], "workingDir": "/tools", "volumeMounts": mounts})
    if runs:
        assert found.program == Execute(arguments=(command, "x"))
    else:
        assert isinstance(found.program, Refuse)


def test_our_own_images_take_named_arguments() -> None:
    found = find({"image": "podwire/dns", "args": ["--domain=cluster.local", "--empty="]})
    assert found.program == Call(function="a.b:main", arguments={"domain": "cluster.local", "empty": ""})
    assert found.mounts == (Mount(source="/files/x", target="/opt/x", read_only=True),)
    assert isinstance(find({"image": "podwire/dns", "args": ["domain"]}).program, Refuse)


def test_stand_ins_listen_for_services_and_say_so() -> None:
    service = {"spec": {"selector": {"app": "x"}, "ports": [{"port": 90, "protocol": "UDP"}]}}
    found = find({"image": "nginx"}, service)
    assert found.ports == (Port("TCP", 80), Port("UDP", 90))
    assert found.stand_in == "a stand-in answers in its place on 80/TCP, 90/UDP"
    assert found.image_id == "podwire://stand-in/nginx"
    assert isinstance(found.program, Call)
    assert found.program.arguments["ports"] == "TCP/80 UDP/90"
    assert found.program.function == f"{server.__name__}:{server.main_of_arguments.__name__}"


LAYERS = tar(entry("etc/passwd", b"web:x:33:34::/www:/bin/sh\n"), entry("etc/group", b"staff:x:50:web\n"))
RUN_CONFIG = {
    "Entrypoint": ["server"],
    "Cmd": ["-v"],
    "User": "web",
    "Env": ["PATH=/app", "A=image"],
    "WorkingDir": "/www",
}


@pytest.fixture
def stocked(tmp_path: Path) -> Catalog:
    """A catalog whose store has web:v1, busybox:latest and empty:v1."""
    store = Store(tmp_path)
    for config, names in ((RUN_CONFIG, ("web:v1", "busybox")), ({}, ("empty:v1",))):
        loading.load(store, io.BufferedReader(io.BytesIO(oci(Image([LAYERS], config)))), "x.tar", names)
    return replace(CATALOG, store=store)


def in_store(catalog: Catalog, **container: Any) -> Resolution:
    pod = msgspec.convert({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", **container}]}}, Pod)
    return catalog(pod, pod.spec.containers, (), ())["c"]


def test_an_image_of_the_store_wins(stocked: Catalog) -> None:
    found = in_store(stocked, image="web:v1")
    assert found.program == Execute(arguments=("server", "-v"))
    assert found.image is not None
    assert (found.image_id, found.stand_in) == (found.image.id, "")
    assert Path(found.image_root).is_dir()
    assert in_store(stocked, image="busybox", command=["sh"]).program == Execute(arguments=("sh",))
    assert in_store(stocked, image="web:v1", args=["-q"]).program == Execute(arguments=("server", "-q"))
    assert in_store(stocked, image="podwire/dns").image is None, "podwire's own stay its own"


def test_an_image_with_nothing_to_run(stocked: Catalog) -> None:
    program = in_store(stocked, image="empty:v1").program
    assert isinstance(program, Refuse)
    assert "no command specified" in program.message


@pytest.mark.parametrize("policy", ["Always", "IfNotPresent", ""])
def test_an_image_that_is_not_in_the_store_has_a_stand_in(stocked: Catalog, policy: str) -> None:
    assert in_store(stocked, image="web:v2", imagePullPolicy=policy).stand_in


def test_never_means_no_stand_in(stocked: Catalog) -> None:
    found = in_store(stocked, image="web:v2", imagePullPolicy="Never")
    assert found.trouble == "ErrImageNeverPull"
    assert isinstance(found.program, Refuse)
    assert '"web:v2" is not present with pull policy of Never' in found.program.message
    assert not in_store(stocked, image="web:v1", imagePullPolicy="Never").trouble
    assert not in_store(stocked, image="alpine", imagePullPolicy="Never").trouble, "this machine's programs are here"


def test_what_is_no_image_name(stocked: Catalog) -> None:
    assert in_store(stocked, image="Web:v1").trouble == "InvalidImageName"
