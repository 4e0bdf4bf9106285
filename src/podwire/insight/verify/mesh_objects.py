"""What an ephemeral world has of the mesh: its policies, and the ServiceAccounts of pods. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

KINDS = (
    ("mesh.podwire.dev", "AuthorizationPolicy"),
    ("mesh.podwire.dev", "RequestAuthentication"),
    ("mesh.podwire.dev", "TransportPolicy"),
)
ACCOUNT = ("", "ServiceAccount")


def account_of(written: Mapping[str, Any], kind: str) -> str:
    """Return the ServiceAccount of a workload's pods as it is written; empty for that of every namespace."""
    spec: Any = written
    for name in ("spec", "jobTemplate", *_path(kind)) if kind == "CronJob" else _path(kind):
        spec = spec.get(name) if isinstance(spec, Mapping) else None
    found = spec.get("serviceAccountName") if isinstance(spec, Mapping) else None
    return found if isinstance(found, str) and found != "default" else ""


def with_account(body: Mapping[str, Any], kind: str, account: str) -> dict[str, Any]:
    """Return a workload whose pods have this ServiceAccount."""
    whole: dict[str, Any] = msgspec.to_builtins(body)
    spec = whole
    for name in _path(kind):
        spec = spec[name]
    spec["serviceAccountName"] = account
    return whole


def _path(kind: str) -> tuple[str, ...]:
    return ("spec",) if kind == "Pod" else ("spec", "template", "spec")
