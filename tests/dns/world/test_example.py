"""The queries of examples/dns, by dig in pods of a world, with the server's real ConfigMap."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world.harness import World, eventually

FOLDER = Path(__file__).parents[3] / "examples/dns"


@pytest.fixture(scope="module")
def world(quarter: World) -> World:
    quarter.kubectl("apply", "-f", str(FOLDER))
    quarter.kubectl("rollout", "status", "statefulset/db", "--timeout=120s")
    quarter.kubectl("wait", "pod/client", "pod/tuned", "--for=condition=Ready", "--timeout=120s")
    # A pod that is Ready is in the records a moment later.
    eventually(lambda: len(dig(quarter, "+search", "db")) == 2)
    return quarter


def dig(world: World, *words: str, pod: str = "client") -> list[str]:
    """The lines of an answer, sorted."""
    return sorted(
        filter(None, world.kubectl("exec", pod, "--", "dig", "+short", "+time=10", *words).stdout.split("\n"))
    )


def addresses(world: World, kind: str, name: str, path: str) -> list[str]:
    return sorted(world.jsonpath(f"{kind} {name}", path).split())


def test_services_pods_and_their_ports_have_records(world: World) -> None:
    web = addresses(world, "service", "web", "{.spec.clusterIPs[*]}")
    assert sorted(dig(world, "+search", "web") + dig(world, "+search", "web", "AAAA")) == web
    pods = {name: addresses(world, "pod", name, "{.status.podIP}") for name in ("db-0", "db-1")}
    assert dig(world, "+search", "db") == sorted(pods["db-0"] + pods["db-1"])
    assert dig(world, "+search", "db-0.db") == pods["db-0"]
    ports = dig(world, "+search", "_pg._tcp.db", "SRV")
    assert [re.sub(r"\.db\..*", "", line) for line in ports] == ["0 100 5432 db-0", "0 100 5432 db-1"]
    names = dig(world, "-x", pods["db-0"][0])
    assert any(name.startswith("db-0.db.") for name in names)
    assert dig(world, "+search", "none") == []


def test_an_external_name_and_its_address_are_one_answer(world: World) -> None:
    assert dig(world, "+search", "elsewhere")[-1] == "example.com."
    assert len(dig(world, "+search", "elsewhere")) == 2
    assert dig(world, "TXT", "dns-version.cluster.local") == ['"1.1.0"']


@pytest.mark.long
def test_live_queries_have_the_pod_that_asks(world: World) -> None:
    where = world.jsonpath("pod client", "{.metadata.namespace}")
    options = ["--name", world.name, "--pod", f"{where}/client", "--last", "1", "-o", "json"]
    command = [sys.executable, "-m", "podwire", "flows", "--dns", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=world.home.environment) as flows:
        try:
            eventually(lambda: dig(world, "TXT", "dns-version.cluster.local") and flows.poll() is not None)
        finally:
            flows.kill()
        record = json.loads(flows.communicate()[0])["flow"]
    assert record["source"]["pod_name"] == "client"
    assert record["l7"]["dns"] == {"query": "dns-version.cluster.local.", "qtypes": ["TXT"]}


def test_pods_have_their_own_resolver(world: World) -> None:
    text = world.kubectl("exec", "tuned", "--", "cat", "/etc/resolv.conf").stdout
    assert "options ndots:1" in text
    assert "cluster.local corp.example" in text
    assert "192.0.2.9\tlegacy.corp.example" in world.kubectl("exec", "tuned", "--", "cat", "/etc/hosts").stdout


@pytest.fixture
def corefile(world: World) -> Iterator[None]:
    before = world.kubectl("-n", "kube-system", "get", "configmap", "coredns", "-o", "jsonpath={.data.Corefile}").stdout
    yield
    patch = f"data:\n  Corefile: |\n{''.join(f'    {line}' for line in before.splitlines(keepends=True))}"
    world.kubectl("-n", "kube-system", "patch", "configmap", "coredns", "-p", patch)
    eventually(lambda: dig(world, "printer.office.test") == [])


@pytest.mark.usefixtures("corefile")
def test_the_corefile_adds_names(world: World) -> None:
    assert dig(world, "printer.office.test") == []
    world.kubectl("-n", "kube-system", "apply", "-f", str(FOLDER / "corefile"))
    eventually(lambda: dig(world, "printer.office.test") == ["192.0.2.7"])
    eventually(lambda: dig(world, "ip-77.corp.example") == ["192.0.2.77"])
    pod = addresses(world, "pod", "db-0", "{.status.podIP}")[0]
    name = f"{pod.replace('.', '-')}.{world.jsonpath('pod db-0', '{.metadata.namespace}')}.pod.cluster.local"
    eventually(lambda: dig(world, name) == [pod])
    assert dig(world, name.replace(pod.replace(".", "-"), "10-244-99-99")) == []
