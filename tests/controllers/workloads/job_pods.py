"""Pods of a Job for tables of tests."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.controllers.workloads.job_tally import FINALIZER
from podwire.kube.core import Pod
from tests.controllers.build import pod


def member(name: str, phase: str = "Running", index: int | None = None, **changes: Any) -> Pod:
    """A pod that is not counted yet; `exit_code`, `failures`, `ignored` and `counted=True` change it."""
    annotations = {} if index is None else {"batch.kubernetes.io/job-completion-index": str(index)}
    for word, key in (("failures", "failure-count"), ("ignored", "ignored-failure-count")):
        if word in changes:
            annotations[f"batch.kubernetes.io/job-index-{key}"] = str(changes.pop(word))
    finalizers = [] if changes.pop("counted", False) else [FINALIZER]
    exit_code = changes.pop("exit_code", None)
    made = pod(name, phase=phase, metadata={"annotations": annotations, "finalizers": finalizers}, **changes)
    if exit_code is None:
        return made
    status = {"phase": phase, "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": exit_code}}}]}
    return msgspec.convert({**msgspec.to_builtins(made), "status": status}, Pod)
