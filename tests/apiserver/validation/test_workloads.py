from typing import Any

import pytest

from tests.apiserver.validation.objects import make, problems


@pytest.mark.proves("schema-messages")
@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        ("apps/v1 Deployment", "spec.selector", None, "spec.selector: Required value"),
        ("batch/v1 CronJob", "spec.schedule", None, "spec.schedule: Required value"),
        (
            "batch/v1 CronJob",
            "spec.schedule",
            "61 * * * *",
            'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61',
        ),
        (
            "batch/v1 CronJob",
            "spec.schedule",
            "TZ=UTC 0 * * * *",
            (
                'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone '
                "field instead"
            ),
        ),
        (
            "batch/v1 CronJob",
            "spec.timeZone",
            "Mars/Olympus",
            'spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus',
        ),
        (
            "batch/v1 CronJob",
            "spec.failedJobsHistoryLimit",
            -1,
            "spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "apps/v1 Deployment",
            "spec.template.metadata.labels",
            {"app": "other"},
            (
                'spec.template.metadata.labels: Invalid value: {"app":"other"}: '
                "`selector` does not match template `labels`"
            ),
        ),
        (
            "apps/v1 Deployment",
            "spec.template.spec.restartPolicy",
            "Never",
            'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        ),
        (
            "apps/v1 Deployment",
            "spec.replicas",
            -1,
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "apps/v1 Deployment",
            "spec.strategy",
            {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            "batch/v1 Job",
            "spec.template.spec.restartPolicy",
            "Always",
            'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
        ),
    ],
)
def test_wrong_values_are_reported_in_upstreams_words(name: str, path: str, value: Any, expected: str) -> None:
    assert expected in problems(name, {path: value})


@pytest.mark.proves("immutable-fields")
@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        (
            "apps/v1 Deployment",
            "spec.selector.matchLabels",
            {"app": "web", "tier": "a"},
            'spec.selector: Invalid value: {"matchLabels":{"app":"web","tier":"a"}}: field is immutable',
        ),
        (
            "apps/v1 StatefulSet",
            "spec.serviceName",
            "other",
            (
                "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                "'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
                "'minReadySeconds' are forbidden"
            ),
        ),
    ],
)
def test_what_may_not_change_is_refused(name: str, path: str, value: Any, expected: str) -> None:
    assert expected in problems(name, {path: value}, make(name))


def test_a_stateful_set_may_mount_what_its_claims_become() -> None:
    mounted = {"spec.template.spec.containers.0.volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    assert any("volumeMounts[0].name" in problem for problem in problems("apps/v1 StatefulSet", mounted))
    assert problems("apps/v1 StatefulSet", {**mounted, "spec.volumeClaimTemplates": [claim]}) == []
