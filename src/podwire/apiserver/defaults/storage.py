"""Volumes, their classes, and priority classes. Source: k8s.io/kubernetes `pkg/apis/{core,storage,scheduling}/v1`."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def volume(obj: Object) -> None:
    """A PersistentVolume is kept when its claim goes."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    obj.setdefault("status", {}).setdefault("phase", "Pending")


def claim(obj: Object) -> None:
    """A PersistentVolumeClaim."""
    obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    obj.setdefault("status", {}).setdefault("phase", "Pending")


def storage_class(obj: Object) -> None:
    """A StorageClass."""
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def priority_class(obj: Object) -> None:
    """A PriorityClass."""
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")
