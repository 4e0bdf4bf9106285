"""`podwire mesh ca` on an API server in memory."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from podwire.cli import podwire
from podwire.insight import target
from podwire.kube.client import Client
from podwire.kube.kinds import NODES
from podwire.mesh.controller import authority_store
from podwire.mesh.controller.authority_store import read_authority
from tests.mesh.controller.test_authority_loop import FRONT, Controller
from tests.mesh.fake_mesh_api import MeshApi

AuthorityCommand = Callable[..., str]


class Cluster:
    """A cluster, and the commands that are run against it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api = MeshApi()
        self.controller = Controller(self.api, datetime.now(UTC))
        monkeypatch.setattr(target, "choose", lambda _: self)

    def read(self, question: Callable[[Client], Awaitable[Any]]) -> Any:
        return self.run(question(self.api))

    def run(self, work: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await work

        return asyncio.run(run())

    def ca(self, *arguments: str, status: int = 0) -> str:
        result = CliRunner().invoke(podwire, ["mesh", "ca", *arguments])
        assert result.exit_code == status, result.output
        return result.output


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


def test_a_root_that_is_made_outside_signs_and_its_key_stays_there(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "root"
    cluster.ca("init", str(folder))
    assert stat.S_IMODE((folder / "root.key").stat().st_mode) == 0o600
    assert "signs" in cluster.ca("intermediate", str(folder))
    stored = cluster.run(read_authority(cluster.api))
    assert stored.state.roots[0].certificate == (folder / "root.crt").read_text()
    assert stored.state.roots[0].key == ""
    secret = str(cluster.api.objects["secrets"])
    assert (folder / "root.key").read_text().splitlines()[1] not in secret
    cluster.run(cluster.controller.tick())
    assert "its key is outside of the cluster" in cluster.ca("status")
    assert "podwire mesh ca init" in cluster.ca("rotate", status=1)


def test_another_root_follows_the_one_of_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    cluster.run(cluster.controller.tick())
    cluster.ca("init", str(tmp_path / "root"))
    assert "follows" in cluster.ca("intermediate", str(tmp_path / "root"))
    found = cluster.ca("status")
    assert found.count("\nRoot ") == 2
    assert "\nNext " in found
    assert "under way" in cluster.ca("rotate", status=1)
    cluster.run(cluster.controller.tick())
    cluster.controller.report()
    cluster.run(cluster.controller.tick())
    assert "\nRetired " in cluster.ca("status")


def test_a_root_of_the_cluster_rotates_on_request(cluster: Cluster) -> None:
    assert "there is no authority yet" in cluster.ca("rotate", status=1)
    cluster.run(cluster.controller.tick())
    cluster.ca("rotate")
    cluster.run(cluster.controller.tick())
    assert cluster.ca("status").count("\nRoot ") == 2


def test_a_root_of_another_trust_domain_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    cluster.run(cluster.controller.tick())
    cluster.ca("init", str(tmp_path / "root"), "--trust-domain", "other.example")
    assert "use a root of the latter" in cluster.ca("intermediate", str(tmp_path / "root"), status=1)
    assert "has a root already" in cluster.ca("init", str(tmp_path / "root"), status=2)
    assert "no trust domain" in cluster.ca("init", str(tmp_path / "new"), "--trust-domain", "A/b", status=2)
    assert "podwire mesh ca init" in cluster.ca("intermediate", str(tmp_path / "nothing"), status=2)


def test_certificates_of_a_node_or_of_an_identity_are_revoked(cluster: Cluster) -> None:
    cluster.run(cluster.controller.tick())
    cluster.run(cluster.controller.sign("one", FRONT))
    assert "one: 1 certificate" in cluster.ca("status")
    cluster.run(cluster.api.create(NODES, {"metadata": {"name": "two"}}))
    assert "No certificate" in cluster.ca("revoke", "--node", "two", "--renew")
    assert FRONT in cluster.ca("revoke", "--node", "one")
    assert cluster.run(authority_store.read_decisions(cluster.api)).nodes == ("one",)
    found = cluster.ca("status")
    assert "Denied        node one" in found
    assert "Revoked       1 certificate" in found
    cluster.ca("allow", "--node", "one")
    assert "Denied" not in cluster.ca("status")
    assert "Revoked" in cluster.ca("status")
    cluster.run(cluster.controller.sign("one", FRONT))
    assert FRONT in cluster.ca("revoke", "--identity", FRONT, "--renew")
    assert "Denied" not in cluster.ca("status")
    for wrong in ([], ["--node", "one", "--serial", "1"], ["--identity", "front"]):
        cluster.ca("revoke", *wrong, status=2)
    cluster.ca("allow", status=2)


def test_what_cannot_exist_in_the_cluster_is_not_denied(cluster: Cluster) -> None:
    cluster.run(cluster.controller.tick())
    assert "kubectl get nodes" in cluster.ca("revoke", "--node", "three", status=1)
    other = FRONT.replace("cluster.local", "elsewhere.test")
    assert f"write {FRONT}" in cluster.ca("revoke", "--identity", other, status=1)
    decisions = cluster.run(authority_store.read_decisions(cluster.api))
    assert (decisions.nodes, decisions.identities) == ((), ())
    assert "Denied from now on" in cluster.ca("revoke", "--identity", FRONT)


def test_allowing_what_was_not_denied_says_so(cluster: Cluster) -> None:
    cluster.run(cluster.controller.tick())
    assert "Nothing to allow: node one was not denied" in cluster.ca("allow", "--node", "one")
    cluster.ca("revoke", "--identity", FRONT)
    assert cluster.ca("allow", "--identity", FRONT) == "Allowed.\n"
    assert "Nothing to allow" in cluster.ca("allow", "--identity", FRONT)
