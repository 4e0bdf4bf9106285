from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from podwire.edge.instance.configuration import CONFIGURATION_FILE, Instance, arguments, files
from podwire.edge.instance.executable import envoy_file
from podwire.lab.roles.envoy_instance import envoy_instance
from podwire.pki.certificates import Authority

INSTANCE = Instance("envoy", "pod-1", "podwire", "192.0.2.1", 18000, "xds.example", "/certs", "/run/envoy")


def configuration(instance: Instance) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files(instance)[CONFIGURATION_FILE])
    return found


def test_probes_reach_two_paths_of_the_admin_interface_and_no_other() -> None:
    (listener,) = configuration(INSTANCE)["static_resources"]["listeners"]

    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    targets = {one["match"]["path"]: one["route"]["prefix_rewrite"] for one in routes}
    assert targets == {"/ready": "/ready", "/metrics": "/stats/prometheus"}
    assert all(one["match"]["headers"][0]["string_match"] == {"exact": "GET"} for one in routes)


def test_the_admin_interface_has_no_port() -> None:
    assert "pipe" in configuration(INSTANCE)["admin"]["address"]


def test_memory_is_bounded_only_where_a_limit_is_known() -> None:
    assert "overload_manager" not in configuration(INSTANCE)
    bounded = configuration(envoy_instance({**_given(), "heap-bytes": "1000"}))
    assert bounded["overload_manager"]["resource_monitors"][0]["typed_config"]["max_heap_size_bytes"] == 1000


def test_connections_are_bounded_and_probes_are_not_counted() -> None:
    bounded = configuration(envoy_instance({**_given(), "connections": "70", "heap-bytes": "1000"}))
    monitors = [one["typed_config"] for one in bounded["overload_manager"]["resource_monitors"]]
    assert [one.get("max_active_downstream_connections") for one in monitors] == [None, 70]
    assert bounded["static_resources"]["listeners"][0]["ignore_global_conn_limit"]
    only = configuration(envoy_instance({**_given(), "connections": "70"}))["overload_manager"]
    assert (len(only["resource_monitors"]), only["actions"]) == (1, [])


def test_a_real_envoy_takes_the_configuration(tmp_path: Path) -> None:
    authority = Authority.create()
    pair = authority.client("podwire")
    for name, content in {
        "ca.crt": authority.pair.certificate,
        "tls.crt": pair.certificate,
        "tls.key": pair.key,
    }.items():
        (tmp_path / name).write_bytes(content)
    given = {**_given(), "program": envoy_file(), "credentials": str(tmp_path), "folder": str(tmp_path)}
    instance = envoy_instance({**given, "heap-bytes": "100000000", "connections": "100"})
    for name, text in files(instance).items():
        (tmp_path / name).write_text(text)

    done = subprocess.run([*arguments(instance), "--mode", "validate"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def _given() -> dict[str, str]:
    return {
        "node": "pod-1",
        "proxy": "podwire",
        "server": "192.0.2.1",
        "port": "18000",
        "server-name": "xds.example",
        "credentials": "/certs",
        "folder": "/run/envoy",
    }
