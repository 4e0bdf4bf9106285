"""While no agent answers, a node that was set up stays ready for a while, and its runtime's calls wait."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from podwire.kernel import namespaces
from podwire.pods.runtime import plugin
from podwire.pods.runtime.ready_mark import VALID_SECONDS, ReadyMark
from tests.pods.cluster import PLUGIN, Machine, SmallCluster, eventually, finish
from tests.pods.plugins import call, compiled_by_cc, python_plugin
from tests.sandbox import Host, sandboxed


def now() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))


def test_a_mark_is_valid_for_minutes_to_agent_and_plugin(tmp_path: Path) -> None:
    socket = tmp_path / "cni.sock"
    mark = ReadyMark(socket)
    assert not mark.is_valid()
    assert not plugin.is_marked(str(socket))
    mark.renew()
    assert mark.is_valid()
    assert plugin.is_marked(str(socket))
    boot, namespace, expiry = (tmp_path / "cni.sock.ready").read_text().split()
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert int(namespace) == plugin.network_number()
    assert int(expiry) == pytest.approx(now() + VALID_SECONDS, abs=2)
    assert [path.name for path in tmp_path.iterdir()] == ["cni.sock.ready"]


OTHERS: dict[str, Callable[[str, str], str]] = {
    "another boot": lambda _, namespace: f"c0ffee00-0000-4000-8000-000000000000 {namespace} {now() + 60}",
    "another node's namespace": lambda boot, _: f"{boot} 4711000 {now() + 60}",
    "expired": lambda boot, namespace: f"{boot} {namespace} {now()}",
    "no number": lambda boot, namespace: f"{boot} {namespace} soon",
    "nothing": lambda *_: "",
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_any_other_mark_is_none(tmp_path: Path, content: Callable[[str, str], str]) -> None:
    mark = ReadyMark(tmp_path / "cni.sock")
    mark.renew()
    file = tmp_path / "cni.sock.ready"
    boot, namespace, _ = file.read_text().split()
    file.write_text(content(boot, namespace))
    assert not mark.is_valid()
    assert not plugin.is_marked(str(tmp_path / "cni.sock"))


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ReadyMark(tmp_path / "absent" / "cni.sock").renew()
    assert "cni.sock.ready cannot be written" in caplog.text


@pytest.mark.parametrize("content", [None, *OTHERS.values()], ids=["valid", *OTHERS])
def test_status_without_an_agent_is_what_the_mark_is(
    program: Path, tmp_path: Path, content: Callable[[str, str], str] | None
) -> None:
    ReadyMark(tmp_path / "cni.sock").renew()
    if content is not None:
        file = tmp_path / "cni.sock.ready"
        boot, namespace, _ = file.read_text().split()
        file.write_text(content(boot, namespace))
    configuration = json.dumps({"cniVersion": "1.1.0", "podwire.socket": str(tmp_path / "cni.sock")})
    status, answer = call(program, configuration, CNI_COMMAND="STATUS")
    assert (status, answer and answer["code"]) == ((0, None) if content is None else (1, 50))


@sandboxed
def test_status_succeeds_while_the_agent_restarts_and_fails_when_none_comes_back() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        assert node.cni("STATUS") == (0, None)
        kill(node)
        assert node.cni("STATUS") == (0, None)
        _expire(node)
        status, answer = node.cni("STATUS")
        assert (status, answer["code"]) == (1, 50)
        assert "does not answer" in answer["msg"]


def kill(node: Machine) -> None:
    """End the agent as soon as it has left its mark, which follows the first answers."""
    eventually(node.mark.exists)
    node.kill()


def _expire(node: Machine) -> None:
    boot, namespace, _ = node.mark.read_text().split()
    node.mark.write_text(f"{boot} {namespace} {now() - 1}")


@pytest.mark.parametrize("install", [python_plugin, compiled_by_cc])
@sandboxed
def test_add_and_del_wait_for_the_next_agent(install: Callable[[Path], None]) -> None:
    with SmallCluster() as cluster:
        install(PLUGIN)
        (node,) = cluster.machines
        pod = node.pod("a")
        kill(node)
        deleting, adding = node.call("DEL", pod), node.call("ADD", Host("b"))
        node.start(*cluster.objects)
        assert finish(deleting) == (0, None)
        status, result = finish(adding)
        assert status == 0, result
        assert len(node.links()) == 1


@pytest.mark.parametrize("install", [python_plugin, compiled_by_cc])
@sandboxed
def test_an_add_whose_agent_is_killed_is_served_by_the_next_one(install: Callable[[Path], None]) -> None:
    with SmallCluster() as cluster:
        install(PLUGIN)
        (node,) = cluster.machines
        (node.folder / "hold").touch()
        adding = node.call("ADD", Host("a"))
        eventually(lambda: bool(node.reported) and bool(node.links()))
        kill(node)
        (node.folder / "hold").unlink()
        node.start(*cluster.objects)
        status, result = finish(adding)
        assert status == 0, result


@sandboxed
def test_an_agent_that_knows_no_node_yet_is_ready_only_after_one_that_did() -> None:
    """As after its restart while the API server is away: ADD fails with the reason, it is never half done."""
    with SmallCluster(gate_seconds=0.2) as cluster:
        (node,) = cluster.machines
        kill(node)
        node.start()
        assert node.cni("STATUS") == (0, None)
        status, answer = node.cni("ADD", Host("a"))
        assert (status, answer["code"]) == (1, 11)
        assert "waiting for its Node" in answer["msg"]
        _expire(node)
        status, answer = node.cni("STATUS")
        assert (status, answer["code"]) == (1, 50)
        assert node.links() == []


@sandboxed
def test_a_node_that_was_off_is_not_ready_before_its_agent_is() -> None:
    """Its next network namespace has the inode number of the one before, and nothing of it."""
    numbers = []
    for _ in range(2):
        host = Host("node")
        with namespaces.inside_network(host.path):
            numbers.append(plugin.network_number())
        namespaces.remove_network_namespace(host.path)
    assert numbers[0] != numbers[1]
