"""Resolvers of real programs beside the server, with a pod's resolv.conf: search lists, ndots, aliases, TCP."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.http_load import PEERS
from tools.conformance.programs import MissingGoError, go

from podwire.kernel import mounts
from podwire.kube.core import Namespace
from podwire.kube.meta import ObjectMeta
from podwire.lab.network.upstream_dns import serve_upstream
from tests.dns.fake_api import FakeApi
from tests.dns.test_server import OUTSIDE, answers_by_tcp, cluster, eventually, ready
from tests.dns.zones import endpoint, service, slice_of
from tests.sandbox import add_addresses, sandboxed

HERE = Path(__file__).parent
MANY = [f"10.244.2.{number}" for number in range(1, 101)]
SEARCH = "shop.svc.cluster.local svc.cluster.local cluster.local office.test"
RESOLV_CONF = f"nameserver 127.0.0.1\nsearch {SEARCH}\noptions ndots:5 timeout:30\n"
MUSL = "lookup-musl"
BOTH = {"192.0.2.1", "2001:db8::1"}

EXPECTED = {
    "web": {"10.96.0.5", "fd00:10:96::5"},
    "web.shop": {"10.96.0.5", "fd00:10:96::5"},
    "web.shop.svc": {"10.96.0.5", "fd00:10:96::5"},
    "WEB.Shop.svc.cluster.local": {"10.96.0.5", "fd00:10:96::5"},
    "web.shop.svc.cluster.local.": {"10.96.0.5", "fd00:10:96::5"},
    "db-0.db": {"10.244.1.2"},
    "db": {"10.244.1.2"},
    "many": set(MANY),  # more than a datagram holds
    "ext": BOTH,
    "example.com": BOTH,
    "example.com.": BOTH,
    "other.shop": set(),
    "none.example.com": set(),
}


def glibc(_: Path) -> list[str]:
    return [sys.executable, str(HERE / "lookup_glibc.py")]


def dnspython(_: Path) -> list[str]:
    return [sys.executable, str(HERE / "lookup_dnspython.py")]


def musl(folder: Path) -> list[str]:
    """The C program with musl-dev of Debian, as musl-gcc links it."""
    libraries, compiler = next(PEERS.glob("usr/lib/*-linux-musl"), None), shutil.which("cc")
    if libraries is None or compiler is None:
        pytest.skip("there is no cc, or no musl: sh tools/peers.sh musl-dev")
    program, headers = folder / MUSL, PEERS / "usr/include" / libraries.name
    first, last = (libraries / "crt1.o", libraries / "crti.o"), (libraries / "libc.a", "-lgcc", libraries / "crtn.o")
    options = ("-static", "-nostdinc", "-isystem", headers, "-nostdlib", "-o", program)
    subprocess.run([compiler, *options, *first, HERE / "lookup.c", *last], check=True)
    return [str(program)]


def golang(folder: Path) -> list[str]:
    program = folder / "lookup-go"
    try:
        subprocess.run([go(), "build", "-o", program, HERE / "lookup.go"], check=True, cwd=folder)
    except MissingGoError as error:
        pytest.skip(str(error))
    return [str(program)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resolvers")


@pytest.fixture(
    params=[glibc, dnspython, pytest.param(musl, marks=pytest.mark.long), pytest.param(golang, marks=pytest.mark.long)]
)
def command(request: pytest.FixtureRequest, folder: Path) -> list[str]:
    """The program that looks names up, made where the machine's own network can be used."""
    make: Callable[[Path], list[str]] = request.param
    return make(folder)


async def looked_up(command: list[str], names: list[str]) -> dict[str, set[str]]:
    process = await asyncio.create_subprocess_exec(*command, *names, stdout=subprocess.PIPE)
    async with asyncio.timeout(200):
        output, _ = await process.communicate()
    assert process.returncode == 0
    lines = [line.split() for line in output.decode().splitlines()]
    return {words[0]: set(words[1:]) for words in lines}


@sandboxed
async def test_a_resolver_finds_what_a_pod_looks_up(command: list[str], folder: Path) -> None:
    add_addresses("lo", "127.0.0.2/8")
    (folder / "resolv.conf").write_text(RESOLV_CONF)
    mounts.bind(str(folder / "resolv.conf"), "/etc/resolv.conf")
    outside = asyncio.create_task(serve_upstream("127.0.0.2", OUTSIDE))
    api = FakeApi()
    api.open.set()
    api.put(
        Namespace(metadata=ObjectMeta(name="shop")),
        service("web", "10.96.0.5", "fd00:10:96::5"),
        service("db", "None"),
        slice_of("db", endpoint("10.244.1.2", "db-0")),
        service("many", "None"),
        slice_of("many", *map(endpoint, MANY)),
        service("ext", type="ExternalName", external_name="example.com"),
    )
    async with cluster(api, "127.0.0.2"):
        await eventually(ready)
        await eventually(lambda: answers_by_tcp("127.0.0.2"))
        found = await looked_up(command, list(EXPECTED))
        if Path(command[0]).name == MUSL:
            # It takes 48 addresses at most, and before 1.2.4 those of the datagram, without TCP.
            assert found["many"] < EXPECTED["many"]
            assert len(found["many"]) > 20
            found["many"] = EXPECTED["many"]
        assert found == EXPECTED
    outside.cancel()
