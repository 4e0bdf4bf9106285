"""Which pods lead to the nodes of a cluster, and what is wrong with the others."""

from __future__ import annotations

import msgspec
import pytest
from aiohttp import web

from podwire.insight.operations.programs import ClusterError, Program, pods_of, program_pod, reach
from podwire.kube.meta import NamespacedName
from tests.insight.operations.scene import pod, reading
from tests.kube.fake_server import connected


def test_each_node_is_reached_by_its_agent() -> None:
    found = reach(["a", "b"], [pod("a"), pod("b")])
    assert list(found.agents) == ["a", "b"]
    assert not found.unreached
    assert list(reach(["a", "b"], [pod("a"), pod("b")], ["b"]).agents) == ["b"]


def test_a_node_without_an_agent_has_the_remedy() -> None:
    found = reach(["a", "b"], [pod("a")])
    assert list(found.agents) == ["a"]
    assert "let that tolerate the node's taints" in found.unreached["b"]


def test_of_two_pods_of_a_node_the_ready_one_is_used() -> None:
    old, new = pod("a", "it is being deleted", name="old"), pod("a", name="new")
    for pods in ([old, new], [new, old]):
        assert reach(["a"], pods).agents["a"].key.name == "new"
    assert reach(["a"], [old]).agents["a"].key.name == "old", "its container may run still"


def test_a_cluster_without_podwire_and_an_unknown_node_are_errors() -> None:
    with pytest.raises(ClusterError, match="podwire is not installed in this cluster; run 'podwire install'"):
        reach(["a"], [])
    with pytest.raises(ClusterError, match="--node c: is none of a, b"):
        reach(["a", "b"], [pod("a")], ["c"])


def test_a_ready_pod_has_no_trouble_and_another_the_reason() -> None:
    assert program_pod(Program.AGENT, reading()).trouble == ""
    waits = program_pod(Program.AGENT, reading(waits="ImagePullBackOff"))
    assert waits.trouble == "container agent waits: ImagePullBackOff (no such image)"
    assert (waits.node, waits.version, waits.restarts, waits.image) == ("node-1", "0.2.0", 2, "podwire:0.2.0")
    begins = program_pod(Program.AGENT, reading(init="CrashLoopBackOff", waits="PodInitializing"))
    assert begins.trouble == "container place-cni waits: CrashLoopBackOff", "the others wait for it"
    metadata = msgspec.structs.replace(reading().metadata, deletion_timestamp="2026-01-01T00:00:00Z")
    deleted = msgspec.structs.replace(reading(), metadata=metadata)
    assert program_pod(Program.AGENT, deleted).trouble == "it is being deleted"


@pytest.mark.parametrize("words", [("--overlay=vxlan",), ("--v", "--overlay", "vxlan")])
def test_a_flag_is_found_in_both_forms(words: tuple[str, ...]) -> None:
    assert program_pod(Program.AGENT, reading(args=words)).flag("overlay") == "vxlan"
    assert program_pod(Program.AGENT, reading(args=words)).flag("over") == ""


async def test_pods_are_listed_by_their_label_and_a_refusal_has_its_remedy() -> None:
    refused = False

    async def handler(request: web.Request) -> web.Response:
        if refused:
            return web.json_response({"reason": "Forbidden", "message": "may not list pods"}, status=403)
        assert request.path == "/api/v1/namespaces/kube-system/pods"
        assert request.query["labelSelector"] == "k8s-app=podwire-agent"
        return web.json_response({"metadata": {}, "items": [msgspec.to_builtins(reading(waits="Pending"))]})

    async with connected(handler) as client:
        (found,) = await pods_of(client, Program.AGENT)
        assert found.key == NamespacedName("kube-system", "podwire-agent-x")
        refused = True
        with pytest.raises(ClusterError, match="may not list pods; this account needs a Role"):
            await pods_of(client, Program.AGENT)
