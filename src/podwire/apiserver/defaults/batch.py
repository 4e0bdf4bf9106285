"""Kinds of the group batch. Source: k8s.io/kubernetes `pkg/apis/batch/v1/defaults.go`."""

from __future__ import annotations

from typing import Any

from podwire.apiserver.defaults import pods

Object = dict[str, Any]


def job(obj: Object) -> None:
    """A Job takes labels from its template where it has none."""
    spec = obj.setdefault("spec", {})
    _job_spec(spec)
    labels = spec.get("template", {}).get("metadata", {}).get("labels")
    if labels and not obj.setdefault("metadata", {}).get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def cron_job(obj: Object) -> None:
    """A CronJob keeps three good Jobs and one failed."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    pods.template(spec.setdefault("jobTemplate", {}).setdefault("spec", {}))


def _job_spec(spec: Object) -> None:
    pods.template(spec)
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")
