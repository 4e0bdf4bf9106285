"""What the policy of an installation lets an agent change of pods."""

from __future__ import annotations

from typing import Any

from podwire.apiserver.base.authentication import User
from podwire.install.manifests.agent_admission import NODE_CLAIM, admission
from podwire.redirection.enrolment import ENABLED, REDIRECTED
from tests.apiserver.conftest import Talk
from tests.apiserver.writes.admission_policies.samples import BINDINGS, POLICIES
from tests.install.cluster import SETTINGS

PODS = "/api/v1/namespaces/default/pods"
ACCOUNT = "system:serviceaccount:kube-system:podwire-agent"
PATCH = {"content_type": "application/merge-patch+json"}


def agent(talk: Talk, node: str = "") -> Talk:
    """Requests with the token of the agent of a node; none: of a token that names no node."""
    user = User(ACCOUNT, ("system:masters",), extra=((NODE_CLAIM, (node,)),) if node else ())
    return Talk(talk.server, user)


async def pods(talk: Talk) -> None:
    """Create the policy, and a pod on each of two nodes."""
    policy, binding = (one.body for one in admission(SETTINGS))
    await talk.ok("POST", POLICIES, policy)
    await talk.ok("POST", BINDINGS, binding)
    for name in ("one", "two"):
        spec = {"nodeName": f"node-{name}", "containers": [{"name": "c", "image": "i"}]}
        await talk.ok("POST", PODS, {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec})


def patch(**fields: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {REDIRECTED: ENABLED}}, **fields}


async def test_an_agent_labels_the_pods_of_its_own_node_alone(talk: Talk) -> None:
    await pods(talk)
    await agent(talk, "node-one").ok("PATCH", f"{PODS}/one/status", patch(), **PATCH)
    for stranger in (agent(talk, "node-one"), agent(talk)):
        _, _, message = await stranger.refused("PATCH", f"{PODS}/two/status", patch(), **PATCH)
        assert "an agent of podwire changes pods of its own node only" in message
    await talk.ok("PATCH", f"{PODS}/two/status", patch(), **PATCH)


async def test_an_agent_changes_neither_addresses_nor_other_metadata(talk: Talk) -> None:
    await pods(talk)
    own = agent(talk, "node-one")
    for one in (
        patch(status={"podIP": "10.0.0.1"}),
        {"metadata": {"labels": {"app": "other"}}},
        {"metadata": {"labels": {"app": None}}},
        {"metadata": {"labels": {"new": "x"}}},
        {"metadata": {"annotations": {"new": "x"}}},
        {"metadata": {"finalizers": ["example.org/new"]}},
    ):
        _, _, message = await own.refused("PATCH", f"{PODS}/one/status", one, **PATCH)
        assert f"changes the label {REDIRECTED} of pods only" in message
    await own.ok("PATCH", f"{PODS}/one/status", patch(), **PATCH)
    await own.ok("PATCH", f"{PODS}/one/status", {"metadata": {"labels": {REDIRECTED: None}}}, **PATCH)
