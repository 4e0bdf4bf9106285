"""kubectl against a cluster of this machine, by its own kubeconfig: the caller's is not read."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tools.conformance.world import PROGRAMS

Kubectl = Callable[..., str]
"""Runs kubectl with arguments and returns its output."""


class KubectlError(Exception):
    """kubectl failed; the text is its message."""


def environment(kubeconfig: Path) -> dict[str, str]:
    """The environment for any program that reads a kubeconfig."""
    return {**os.environ, "KUBECONFIG": str(kubeconfig)}


def of(kubeconfig: Path) -> Kubectl:
    """kubectl for a cluster. Calls raise KubectlError."""
    settings = environment(kubeconfig)
    return lambda *arguments, text=None: run(settings, *arguments, text=text)


def run(settings: Mapping[str, str], *arguments: str, text: str | None = None) -> str:
    """Run kubectl, with a text on standard input if there is one; return its output. Raises KubectlError."""
    done = subprocess.run(
        [str(PROGRAMS / "kubectl"), *arguments], env=dict(settings), input=text, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise KubectlError(f"kubectl {' '.join(arguments[:4])}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def items(kubectl: Kubectl, *arguments: str) -> list[dict[str, Any]]:
    """The objects of `kubectl get ARGUMENTS`."""
    found: list[dict[str, Any]] = json.loads(kubectl("get", *arguments, "-o", "json"))["items"]
    return found


def is_ready(item: Mapping[str, Any]) -> bool:
    """Whether a node or a pod has the condition Ready."""
    conditions = item.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
