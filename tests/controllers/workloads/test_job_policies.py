from typing import Any

import msgspec
import pytest

from podwire.controllers.workloads.job_policies import match_failure, met_success_rule
from podwire.kube.batch import SuccessPolicy
from podwire.kube.core import Pod
from tests.controllers.build import job
from tests.controllers.workloads.job_pods import member


def exit_codes(action: str, operator: str, *values: int, **more: Any) -> dict[str, Any]:
    return {"action": action, "onExitCodes": {"operator": operator, "values": values, **more}}


def disrupted() -> Pod:
    made = msgspec.to_builtins(member("a", "Failed"))
    made["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    return msgspec.convert(made, Pod)


@pytest.mark.parametrize(
    ("rules", "pod", "action"),
    [
        pytest.param([exit_codes("FailJob", "In", 3, 42)], member("a", "Failed", exit_code=42), "FailJob", id="in"),
        pytest.param([exit_codes("FailJob", "In", 3)], member("a", "Failed", exit_code=42), "", id="not in"),
        pytest.param([exit_codes("Ignore", "NotIn", 3)], member("a", "Failed", exit_code=42), "Ignore", id="NotIn"),
        pytest.param([exit_codes("Ignore", "NotIn", 3)], member("a", "Failed", exit_code=0), "", id="0 is no failure"),
        pytest.param(
            [exit_codes("FailJob", "In", 42, containerName="other")],
            member("a", "Failed", exit_code=42),
            "",
            id="another container",
        ),
        pytest.param(
            [exit_codes("Count", "In", 42), exit_codes("FailJob", "In", 42)],
            member("a", "Failed", exit_code=42),
            "Count",
            id="the first rule",
        ),
        pytest.param(
            [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}],
            disrupted(),
            "Ignore",
            id="condition",
        ),
        pytest.param(
            [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}],
            member("a", "Failed"),
            "",
            id="no condition",
        ),
    ],
)
def test_the_first_rule_that_matches_a_failed_pod_counts(rules: list[Any], pod: Pod, action: str) -> None:
    found = match_failure(job(podFailurePolicy={"rules": rules}), pod)
    assert found.action == action
    assert found.counted == (action != "Ignore")


def test_the_message_names_container_pod_exit_code_and_rule() -> None:
    rules = [exit_codes("Ignore", "In", 1), exit_codes("FailJob", "In", 42)]
    found = match_failure(job(podFailurePolicy={"rules": rules}), member("a", "Failed", exit_code=42))
    expected = "Container c for pod shop/a failed with exit code 42 matching FailJob rule at index 1"
    assert found.message == expected


@pytest.mark.parametrize(
    ("rules", "done", "met"),
    [
        ([{"succeededIndexes": "0,2-3"}], {0, 2, 3}, 0),
        ([{"succeededIndexes": "0,2-3"}], {0, 2, 4}, None),
        ([{"succeededIndexes": "0-4", "succeededCount": 2}], {1, 3}, 0),
        ([{"succeededIndexes": "0-4", "succeededCount": 2}], {1, 7}, None),
        ([{"succeededCount": 3}], {1, 7}, None),
        ([{"succeededCount": 3}, {"succeededIndexes": "7"}], {1, 7}, 1),
        ([{"succeededIndexes": "nonsense"}], set(range(9)), None),
        ([], set(range(9)), None),
    ],
)
def test_success_rules(rules: list[Any], done: set[int], met: int | None) -> None:
    assert met_success_rule(msgspec.convert({"rules": rules}, SuccessPolicy), done, 10) == met
