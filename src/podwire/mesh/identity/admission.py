"""Which identities a node may have: those of the pods that run on it. Pure.

A node proves itself by the token of its own mesh pod, which the kubelet gets for pods of its node only. So a hostile
node gets the identities of the pods that it runs, which it can read from their memory anyway, and no others. A pod gets
none: its tokens are of other ServiceAccounts, or for other audiences.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from podwire.kube.meta import NamespacedName
from podwire.kube.token_review import EXTRA, TokenReviewStatus
from podwire.mesh.identity.exchange import AUDIENCE, NODE_ACCOUNT
from podwire.mesh.identity.spiffe import Spiffe, SpiffeError, parse
from podwire.redirection.enrolment import enrolled

if TYPE_CHECKING:
    from podwire.kube.core import Pod

_USER = f"system:serviceaccount:{NODE_ACCOUNT.namespace}:{NODE_ACCOUNT.name}"


class RunningPod(msgspec.Struct, frozen=True, gc=False):
    """What decides of a pod."""

    key: NamespacedName
    uid: str
    node: str
    service_account: str
    is_host: bool
    """It has the network of its node."""
    is_enrolled: bool = False
    """Its own labels enrol it."""


class Denial(msgspec.Struct, frozen=True):
    """What gets no certificate, by the decision of a user."""

    nodes: frozenset[str] = frozenset()
    identities: frozenset[str] = frozenset()


class DeniedError(Exception):
    """A request is refused. The message has the reason and never the token."""


class Running:
    """The pods that run now, by name and by what they may prove. Pods that have ended are not in it."""

    def __init__(self) -> None:
        self._pods: dict[NamespacedName, RunningPod] = {}
        self._accounts: dict[tuple[str, str, str], set[NamespacedName]] = {}

    def replace(self, key: NamespacedName, pod: RunningPod | None) -> None:
        """Take a pod as it is now; None: it is gone."""
        before = self._pods.pop(key, None)
        if before is not None:
            names = self._accounts[_account(before)]
            names.discard(key)
            if not names:
                del self._accounts[_account(before)]
        if pod is not None:
            self._pods[key] = pod
            self._accounts.setdefault(_account(pod), set()).add(key)

    def get(self, key: NamespacedName) -> RunningPod | None:
        """Return a pod."""
        return self._pods.get(key)

    def runs(self, node: str, namespace: str, service_account: str) -> bool:
        """Whether a node runs a pod of this ServiceAccount that has a network of its own."""
        names = self._accounts.get((node, namespace, service_account), ())
        return any(not self._pods[name].is_host for name in names)

    def nodes_of(self, account: NamespacedName) -> frozenset[str]:
        """Return the nodes that run pods of a ServiceAccount."""
        desired = account.namespace, account.name
        return frozenset(node for node, namespace, name in self._accounts if (namespace, name) == desired)

    def identities(self, node: str, trust_domain: str) -> frozenset[Spiffe]:
        """Return all identities that a node may have."""
        return frozenset(
            Spiffe(trust_domain, namespace, account)
            for place, namespace, account in self._accounts
            if place == node and self.runs(node, namespace, account)
        )


def running_pod(pod: Pod) -> RunningPod | None:
    """Return what decides of a pod; None where it is on no node or has ended."""
    if not pod.spec.node_name or pod.finished:
        return None
    account = pod.spec.service_account_name or "default"
    is_enrolled = bool(enrolled(pod.metadata.labels))
    return RunningPod(pod.key, pod.metadata.uid, pod.spec.node_name, account, pod.spec.host_network, is_enrolled)


def node_of(review: TokenReviewStatus, running: Running) -> str:
    """Return the node that a token proves. Raises DeniedError."""
    if not review.authenticated or AUDIENCE not in review.audiences:
        raise DeniedError(f"the token is not valid for the audience {AUDIENCE}")
    if review.user.username != _USER:
        raise DeniedError(f"{review.user.username or 'nobody'} is not ServiceAccount {NODE_ACCOUNT}")
    name, uid, node = (_single(review, field) for field in ("pod-name", "pod-uid", "node-name"))
    if not name or not uid:
        raise DeniedError("the token is not bound to a pod")
    pod = running.get(NamespacedName(NODE_ACCOUNT.namespace, name))
    if pod is None or pod.uid != uid or pod.service_account != NODE_ACCOUNT.name:
        raise DeniedError(f"pod {name} of the token does not run")
    if node and node != pod.node:
        raise DeniedError(f"the token is of node {node}, but its pod runs on {pod.node}")
    return pod.node


def check(text: str, node: str, trust_domain: str, running: Running, denial: Denial) -> Spiffe:
    """Return the id that a node requests, if it may have it. Raises DeniedError."""
    if node in denial.nodes:
        raise DeniedError(f"node {node} is denied: 'podwire mesh ca allow --node {node}' permits it again")
    try:
        found = parse(text)
    except SpiffeError as error:
        raise DeniedError(str(error)) from None
    if found.trust_domain != trust_domain:
        raise DeniedError(f"{found} is of another trust domain than {trust_domain}")
    if text in denial.identities:
        raise DeniedError(f"{found} is denied: 'podwire mesh ca allow --identity {found}' permits it again")
    if not running.runs(node, found.namespace, found.service_account):
        raise DeniedError(f"node {node} runs no pod of ServiceAccount {found.namespace}/{found.service_account}")
    return found


def _account(pod: RunningPod) -> tuple[str, str, str]:
    return pod.node, pod.key.namespace, pod.service_account


def _single(review: TokenReviewStatus, field: str) -> str:
    values: Iterable[str] = review.user.extra.get(f"{EXTRA}{field}", ())
    return next(iter(values), "")
