"""The condition of ClusterNetworkPolicies that cannot be honoured."""

from datetime import UTC, datetime

import msgspec

from podwire.agent.cluster_policy_status import HONOURED, desired
from podwire.kube.network_policy_api import ClusterNetworkPolicy, ClusterNetworkPolicyStatus
from tests.policy.cluster import cluster_policy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = "{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"
BAD = GOOD.replace("from: [{namespaces: {}}]", "from: [{later: {}}]")


def with_status(item: ClusterNetworkPolicy, spec: str) -> ClusterNetworkPolicy:
    """The same object with this spec and the status that was desired."""
    status = msgspec.convert(desired(item, NOW), ClusterNetworkPolicyStatus)
    return msgspec.structs.replace(cluster_policy("p", spec), status=status)


def test_a_policy_that_is_honoured_gets_no_condition() -> None:
    assert desired(cluster_policy("p", GOOD), NOW) == {}


def test_what_fails_closed_is_named_and_written_once() -> None:
    (condition,) = desired(cluster_policy("p", BAD), NOW)["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (HONOURED, "False", "FailsClosed")
    assert "spec.ingress[0].from[0].later is not known: the rule denies all" in condition["message"]
    assert condition["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert desired(with_status(cluster_policy("p", BAD), BAD), NOW) == {}


def test_a_policy_that_was_mended_is_honoured() -> None:
    (condition,) = desired(with_status(cluster_policy("p", BAD), GOOD), NOW)["conditions"]
    assert (condition["status"], condition["message"]) == ("True", "")
