"""Which API server an answer is read from."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
import yaml

from podwire.insight import target
from podwire.insight.target import Choice, Target, UnreachableError
from podwire.kube.credentials import Credentials, CredentialsError
from podwire.kube.kinds import SERVICES
from podwire.lab.base.proc_stat import start_time
from podwire.lab.host import worlds
from podwire.lab.host.worlds import World, WorldError


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODWIRE_STATE", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'absent'}:{tmp_path / 'kubeconfig'}")


def run(name: str) -> None:
    started = start_time(os.getpid())
    assert started is not None
    made = World(name=name, pid=os.getpid(), started=started, nodes=1, overlay="direct", api_port=7, version="0")
    made.folder.mkdir(parents=True)
    worlds.remember(made)


def kubeconfig(folder: Path, current: str) -> None:
    document = {
        "current-context": current,
        "contexts": [{"name": "prod", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://prod:6443"}}],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(document))


def found(name: str | None = None) -> tuple[str, str]:
    """The name of the world, and the server."""
    chosen = target.choose(Choice(name))
    return chosen.world.name if chosen.world is not None else "", chosen.credentials.server


def test_the_current_context_decides_where_no_world_is_named(tmp_path: Path) -> None:
    run("k")
    kubeconfig(tmp_path, "prod")
    assert found() == ("", "https://prod:6443")
    kubeconfig(tmp_path, "podwire-k")
    assert found() == ("k", "https://127.0.0.1:7")
    assert found("k") == ("k", "https://127.0.0.1:7")


def test_without_a_current_context_it_is_the_world_that_runs(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="no world is running"):
        found()
    run("k")
    assert found() == ("k", "https://127.0.0.1:7")
    kubeconfig(tmp_path, "prod")
    with pytest.raises(WorldError, match="no world 'x' is running"):
        found("x")


def test_a_context_that_is_nowhere_is_an_error(tmp_path: Path) -> None:
    kubeconfig(tmp_path, "podwire-gone")
    with pytest.raises(CredentialsError, match="contexts has no 'podwire-gone'"):
        found()


def test_a_context_is_chosen_in_any_file_that_kubectl_reads(tmp_path: Path) -> None:
    run("k")
    kubeconfig(tmp_path, "podwire-k")
    assert target.choose(Choice(context="prod")).credentials.server == "https://prod:6443"
    assert not target.names_cluster(Choice())
    assert target.names_cluster(Choice(context="prod"))
    assert not target.names_cluster(Choice(name="k"))
    with pytest.raises(CredentialsError, match="contexts has no 'other'"):
        target.choose(Choice(context="other"))


def test_a_kubeconfig_is_read_in_place_of_kubectls(tmp_path: Path) -> None:
    kubeconfig(tmp_path, "prod")
    (tmp_path / "kubeconfig").rename(tmp_path / "own")
    assert target.choose(Choice(kubeconfig=str(tmp_path / "own"))).credentials.server == "https://prod:6443"
    with pytest.raises(WorldError, match="no world is running"):
        target.choose(Choice())


def test_a_server_that_does_not_answer_is_named() -> None:
    async def listener() -> int:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        async with server:
            return int(server.sockets[0].getsockname()[1])

    closed = f"http://127.0.0.1:{asyncio.run(listener())}"
    with pytest.raises(UnreachableError, match=closed):
        Target(Credentials(closed)).read(lambda client: client.list(SERVICES))
