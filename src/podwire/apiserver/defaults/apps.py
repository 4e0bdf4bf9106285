"""Kinds of the group apps. Source: k8s.io/kubernetes `pkg/apis/apps/v1/defaults.go`."""

from __future__ import annotations

from typing import Any

from podwire.apiserver.defaults import pods

Object = dict[str, Any]

REVISIONS_KEPT = 10
PROGRESS_SECONDS = 600


def deployment(obj: Object) -> None:
    """A Deployment rolls a quarter of its pods at a time."""
    spec = obj.setdefault("spec", {})
    pods.template(spec)
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", REVISIONS_KEPT)
    spec.setdefault("progressDeadlineSeconds", PROGRESS_SECONDS)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")


def replica_set(obj: Object) -> None:
    """A ReplicaSet."""
    spec = obj.setdefault("spec", {})
    pods.template(spec)
    spec.setdefault("replicas", 1)


def daemon_set(obj: Object) -> None:
    """A DaemonSet rolls one node at a time."""
    spec = obj.setdefault("spec", {})
    pods.template(spec)
    spec.setdefault("revisionHistoryLimit", REVISIONS_KEPT)
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)


def stateful_set(obj: Object) -> None:
    """A StatefulSet starts its pods one after the other and keeps their volumes."""
    spec = obj.setdefault("spec", {})
    pods.template(spec)
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", REVISIONS_KEPT)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")
