from __future__ import annotations

from typing import Any

import msgspec

from podwire.kube.core import Pod, Service
from podwire.lab import standin
from podwire.lab.catalog import Catalog
from podwire.lab.images import Machine, Port
from podwire.lab.plan import Call, Execute, Refuse
from podwire.lab.pod_plan import Resolution

CATALOG = Catalog(Machine(lambda path: path in {"/bin/sh", "/usr/bin/env"}), {"podwire/dns": "a.b:main"})


def find(container: dict[str, Any], *services: dict[str, Any]) -> Resolution:
    raw = {"metadata": {"name": "p", "labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", **container}]}}
    pod = msgspec.convert(raw, Pod)
    known = [msgspec.convert(service, Service) for service in services]
    return CATALOG(pod, pod.spec.containers, known, ("10.0.0.1",))["c"]


def test_programs_of_the_machine() -> None:
    found = find({"image": "nginx", "command": ["env", "x"]})
    assert found.program == Execute(arguments=("/usr/bin/env", "x"))
    assert (found.stand_in, found.image_id) == ("", "podwire://machine/nginx")


def test_a_missing_command_is_an_error() -> None:
    program = find({"image": "nginx", "command": ["nginx"]}).program
    assert isinstance(program, Refuse)
    assert "'nginx'" in program.message


def test_our_own_images_take_named_arguments() -> None:
    found = find({"image": "podwire/dns", "args": ["--domain=cluster.local", "--empty="]})
    assert found.program == Call(function="a.b:main", arguments={"domain": "cluster.local", "empty": ""})
    assert isinstance(find({"image": "podwire/dns", "args": ["domain"]}).program, Refuse)


def test_stand_ins_listen_for_services_and_say_so() -> None:
    service = {"spec": {"selector": {"app": "x"}, "ports": [{"port": 90, "protocol": "UDP"}]}}
    found = find({"image": "nginx"}, service)
    assert found.ports == (Port("TCP", 80), Port("UDP", 90))
    assert found.stand_in == "a stand-in answers in its place on 80/TCP, 90/UDP"
    assert found.image_id == "podwire://stand-in/nginx"
    assert isinstance(found.program, Call)
    assert found.program.arguments["ports"] == "TCP/80 UDP/90"
    assert found.program.function == f"{standin.__name__}:{standin.main_of_arguments.__name__}"
