"""A pod's spec. Source: k8s.io/kubernetes `pkg/apis/core/v1/defaults.go`."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

FILE_MODE = 0o644
TOKEN_LIFETIME = 3600
"""Seconds."""

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_FILE_SOURCES = ("configMap", "downwardAPI", "projected", "secret")


def spec(pod: Object) -> None:
    """Complete a pod's spec, also one in a template."""
    pod.setdefault("dnsPolicy", "ClusterFirst")
    pod.setdefault("restartPolicy", "Always")
    pod.setdefault("schedulerName", "default-scheduler")
    pod.setdefault("securityContext", {})
    pod.setdefault("terminationGracePeriodSeconds", 30)
    _account(pod)
    for part in ("containers", "initContainers", "ephemeralContainers"):
        for container in pod.get(part, ()):
            _container(container)
    for volume in pod.get("volumes", ()):
        _volume(volume)


def template(owner: Object) -> None:
    """Complete the pod template of an object's spec."""
    found = owner.get("template")
    if found is not None:
        spec(found.setdefault("spec", {}))


def _account(pod: Object) -> None:
    """Keep the deprecated `serviceAccount` equal to `serviceAccountName`."""
    name = pod.get("serviceAccountName") or pod.get("serviceAccount")
    if name:
        pod["serviceAccountName"] = pod["serviceAccount"] = name


def _container(container: Object) -> None:
    container.setdefault("imagePullPolicy", _pull_policy(container.get("image", "")))
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    for port in container.get("ports", ()):
        port.setdefault("protocol", "TCP")
    for variable in container.get("env", ()):
        _reference(variable.get("valueFrom", {}))
    for part in _PROBES:
        if part in container:
            _probe(container[part])
    for hook in container.get("lifecycle", {}).values():
        if isinstance(hook, dict):
            _request(hook)
    resources = container["resources"]
    for name, amount in resources.get("limits", {}).items():
        resources.setdefault("requests", {}).setdefault(name, amount)


def _pull_policy(image: str) -> str:
    """Always for images without a tag or digest and for `latest`: they can change."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if not digest and tag in {"", "latest"} else "IfNotPresent"


def _probe(probe: Object) -> None:
    for part, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        if not probe.get(part):
            probe[part] = value
    _request(probe)
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _request(handler: Object) -> None:
    if "httpGet" in handler:
        handler["httpGet"].setdefault("path", "/")
        handler["httpGet"].setdefault("scheme", "HTTP")


def _reference(source: Object) -> None:
    if "fieldRef" in source:
        source["fieldRef"].setdefault("apiVersion", "v1")


def _volume(volume: Object) -> None:
    if volume.keys() <= {"name"}:
        volume["emptyDir"] = {}
    for kind in _FILE_SOURCES:
        if kind in volume:
            volume[kind].setdefault("defaultMode", FILE_MODE)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    for item in volume.get("downwardAPI", {}).get("items", ()):
        _reference(item)
    for source in volume.get("projected", {}).get("sources", ()):
        for item in source.get("downwardAPI", {}).get("items", ()):
            _reference(item)
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", TOKEN_LIFETIME)
