import pytest

from podwire.kube.core import Pod, PodSpec, PodStatus
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.token_review import EXTRA, TokenReviewStatus, UserInfo
from podwire.mesh.identity.admission import (
    Denial,
    DeniedError,
    Running,
    RunningPod,
    check,
    node_of,
    running_pod,
)
from podwire.mesh.identity.exchange import AUDIENCE
from podwire.mesh.identity.spiffe import Spiffe

USER = "system:serviceaccount:podwire-system:podwire-mesh"
DOMAIN = "cluster.local"
NONE = Denial()


def pod(namespace: str, name: str, node: str, account: str, *, is_host: bool = False, uid: str = "") -> RunningPod:
    return RunningPod(NamespacedName(namespace, name), uid or f"uid-{name}", node, account, is_host)


def running(*extra: RunningPod) -> Running:
    found = Running()
    pods = (
        pod("podwire-system", "mesh-1", "node-1", "podwire-mesh", is_host=True),
        pod("podwire-system", "mesh-2", "node-2", "podwire-mesh", is_host=True),
        pod("shop", "front", "node-1", "front"),
        pod("shop", "back", "node-2", "back"),
        pod("kube-system", "host", "node-1", "admin", is_host=True),
    )
    for one in (*pods, *extra):
        found.replace(one.key, one)
    return found


def review(
    name: str = "mesh-1", uid: str = "uid-mesh-1", node: str = "node-1", user: str = USER, audience: str = AUDIENCE
) -> TokenReviewStatus:
    bound = {"pod-name": name, "pod-uid": uid, "node-name": node}
    extra: dict[str, tuple[str, ...]] = {f"{EXTRA}{field}": (value,) for field, value in bound.items() if value}
    return TokenReviewStatus(authenticated=True, user=UserInfo(username=user, extra=extra), audiences=(audience,))


def test_a_token_of_a_nodes_own_mesh_pod_proves_that_node() -> None:
    assert node_of(review(), running()) == "node-1"
    assert node_of(review("mesh-2", "uid-mesh-2", "node-2"), running()) == "node-2"
    assert node_of(review(node=""), running()) == "node-1"  # Kubernetes before 1.30 reports no node


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (TokenReviewStatus(), "not valid"),
        (TokenReviewStatus(user=UserInfo(username=USER), audiences=(AUDIENCE,)), "not valid"),
        (review(audience="https://kubernetes.default.svc"), "not valid"),
        (review(user="system:serviceaccount:shop:front"), "is not ServiceAccount podwire-system/podwire-mesh"),
        (review(user="system:serviceaccount:shop:podwire-mesh"), "is not ServiceAccount"),
        (review(user="system:node:node-1"), "is not ServiceAccount"),
        (review(name="", uid=""), "not bound to a pod"),
        (review(uid=""), "not bound to a pod"),
        (review(uid="of-the-pod-before"), "does not run"),
        (review(name="mesh-9", uid="uid-mesh-9"), "does not run"),
        (review(node="node-2"), "its pod runs on node-1"),
    ],
)
def test_other_tokens_prove_no_node(found: TokenReviewStatus, reason: str) -> None:
    with pytest.raises(DeniedError, match=reason):
        node_of(found, running())


def test_a_pod_of_another_account_with_the_name_of_a_token_proves_no_node() -> None:
    other = pod("podwire-system", "mesh-3", "node-1", "default")

    with pytest.raises(DeniedError, match="does not run"):
        node_of(review("mesh-3", "uid-mesh-3"), running(other))


def test_a_node_gets_the_identities_of_the_pods_that_it_runs() -> None:
    assert check("spiffe://cluster.local/ns/shop/sa/front", "node-1", DOMAIN, running(), NONE) == Spiffe(
        DOMAIN, "shop", "front"
    )
    assert running().identities("node-1", DOMAIN) == {Spiffe(DOMAIN, "shop", "front")}


@pytest.mark.parametrize(
    ("text", "node", "reason"),
    [
        ("spiffe://cluster.local/ns/shop/sa/back", "node-1", "node node-1 runs no pod of ServiceAccount shop/back"),
        ("spiffe://cluster.local/ns/shop/sa/front", "node-2", "runs no pod"),
        ("spiffe://cluster.local/ns/shop/sa/nobody", "node-1", "runs no pod"),
        ("spiffe://other.example/ns/shop/sa/front", "node-1", "another trust domain"),
        ("spiffe://cluster.local/ns/kube-system/sa/admin", "node-1", "runs no pod"),  # in the node's own network
        ("spiffe://cluster.local/ns/podwire-system/sa/podwire-mesh", "node-1", "runs no pod"),
        ("spiffe://cluster.local/ns/shop/sa/../front", "node-1", "another form"),
        ("", "node-1", "does not begin with"),
    ],
)
def test_a_hostile_node_gets_no_identity_that_does_not_run_there(text: str, node: str, reason: str) -> None:
    with pytest.raises(DeniedError, match=reason):
        check(text, node, DOMAIN, running(), NONE)


def test_an_identity_ends_with_the_last_of_its_pods() -> None:
    second = pod("shop", "front-2", "node-1", "front")
    found = running(second)
    found.replace(second.key, None)
    assert found.runs("node-1", "shop", "front")
    found.replace(NamespacedName("shop", "front"), None)
    assert not found.runs("node-1", "shop", "front")
    found.replace(NamespacedName("shop", "front"), None)  # again: no error


def test_a_pod_that_is_created_again_elsewhere_moves_its_identity() -> None:
    found = running()
    found.replace(NamespacedName("shop", "front"), pod("shop", "front", "node-2", "front"))
    assert (found.runs("node-1", "shop", "front"), found.runs("node-2", "shop", "front")) == (False, True)


def test_what_a_user_denies_is_refused_with_the_remedy() -> None:
    text = "spiffe://cluster.local/ns/shop/sa/front"
    with pytest.raises(DeniedError, match="podwire mesh ca allow --node node-1"):
        check(text, "node-1", DOMAIN, running(), Denial(nodes=frozenset({"node-1"})))
    with pytest.raises(DeniedError, match="podwire mesh ca allow --identity"):
        check(text, "node-1", DOMAIN, running(), Denial(identities=frozenset({text})))
    others = Denial(frozenset({"node-2"}), frozenset({"spiffe://cluster.local/ns/shop/sa/back"}))
    assert str(check(text, "node-1", DOMAIN, running(), others)) == text


def test_pods_that_wait_for_a_node_or_have_ended_prove_nothing() -> None:
    meta = ObjectMeta(name="front", namespace="shop", uid="uid")
    on_node = PodSpec(node_name="node-1", service_account_name="front")
    assert running_pod(Pod(metadata=meta, spec=on_node)) == RunningPod(
        NamespacedName("shop", "front"), "uid", "node-1", "front", False
    )
    assert running_pod(Pod(metadata=meta, spec=PodSpec(node_name="node-1"))) == RunningPod(
        NamespacedName("shop", "front"), "uid", "node-1", "default", False
    )
    assert running_pod(Pod(metadata=meta, spec=PodSpec(service_account_name="front"))) is None
    for phase in ("Succeeded", "Failed"):
        assert running_pod(Pod(metadata=meta, spec=on_node, status=PodStatus(phase=phase))) is None
