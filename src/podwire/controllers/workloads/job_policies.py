"""A Job's policies: what a failed pod does to it, and which indexes are enough. Pure.

Source: kubernetes `pkg/controller/job/pod_failure_policy.go`, `success_policy.go`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import msgspec

from podwire.controllers.workloads.job_indexes import read_indexes

if TYPE_CHECKING:
    from podwire.kube.batch import Job, OnExitCodes, OnPodCondition, PodFailureRule, SuccessPolicy
    from podwire.kube.core import ContainerStatus, Pod

FAIL_JOB = "FailJob"
FAIL_INDEX = "FailIndex"
IGNORE = "Ignore"


class FailureMatch(msgspec.Struct, frozen=True):
    """The result of the policy for one failed pod. `action` is empty where no rule matches."""

    action: str = ""
    message: str = ""

    @property
    def counted(self) -> bool:
        """Whether the failure counts towards the backoff limits."""
        return self.action != IGNORE


def match_failure(job: Job, pod: Pod) -> FailureMatch:
    """Return the match of the first rule for a failed pod."""
    policy = job.spec.pod_failure_policy
    for number, rule in enumerate(policy.rules if policy is not None else ()):
        found = _matches(rule, pod)
        if found:
            return FailureMatch(rule.action, f"{found} matching {rule.action} rule at index {number}")
    return FailureMatch()


def met_success_rule(policy: SuccessPolicy | None, succeeded: Collection[int], completions: int) -> int | None:
    """Return the number of the first rule that the succeeded indexes meet."""
    done = frozenset(succeeded)
    for number, rule in enumerate(policy.rules if policy is not None else ()):
        if rule.succeeded_indexes is not None:
            required = read_indexes(rule.succeeded_indexes, completions)
            found = len(required & done)
            enough = rule.succeeded_count is not None and found >= rule.succeeded_count
            if required and (enough or found == len(required)):
                return number
        elif rule.succeeded_count is not None and len(done) >= rule.succeeded_count:
            return number
    return None


def _matches(rule: PodFailureRule, pod: Pod) -> str:
    """Return how the pod matches the rule, in upstream's words; empty where it does not."""
    if rule.on_exit_codes is not None:
        statuses = (*pod.status.container_statuses, *pod.status.init_container_statuses)
        return _matching_container(statuses, rule.on_exit_codes, pod)
    return _matching_condition(rule.on_pod_conditions or (), pod)


def _matching_container(statuses: Iterable[ContainerStatus], desired: OnExitCodes, pod: Pod) -> str:
    for status in statuses:
        ended = status.state.terminated
        if ended is None or not ended.exit_code or desired.container_name not in {None, status.name}:
            continue
        listed = ended.exit_code in desired.values
        if (desired.operator == "In" and listed) or (desired.operator == "NotIn" and not listed):
            return f"Container {status.name} for pod {pod.key} failed with exit code {ended.exit_code}"
    return ""


def _matching_condition(desired: Iterable[OnPodCondition], pod: Pod) -> str:
    patterns = {(pattern.type, pattern.status) for pattern in desired}
    for condition in pod.status.conditions:
        if (condition.type, condition.status) in patterns:
            return f"Pod {pod.key} has condition {condition.type}"
    return ""
