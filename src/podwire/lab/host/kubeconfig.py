"""A world's entry in kubeconfig files, written as kind writes it: one cluster, user and context, made current."""

from __future__ import annotations

import base64
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from podwire.kube import yaml_output
from podwire.lab.host.access import Access

SECTIONS = ("clusters", "users", "contexts")

LOCK_SECONDS = 2.0
LOCK_PAUSE_SECONDS = 0.02
"""A process holds the lock for milliseconds only: other worlds that start or end at the same time."""


class KubeconfigError(Exception):
    """The user's kubeconfig cannot be read or written. The text names the file."""


def document(access: Access) -> dict[str, Any]:
    """A whole kubeconfig with this world only."""
    return merged({}, access)


def merged(existing: dict[str, Any], access: Access) -> dict[str, Any]:
    """The existing kubeconfig with the world's entries added or replaced, and its context made current."""
    entries = {
        "clusters": {
            "cluster": {"certificate-authority-data": _base64(access.authority), "server": access.server},
            "name": access.name,
        },
        "users": {
            "name": access.name,
            "user": {
                "client-certificate-data": _base64(access.certificate),
                "client-key-data": _base64(access.key),
            },
        },
        "contexts": {"context": {"cluster": access.name, "user": access.name}, "name": access.name},
    }
    result = without(existing, access.name)
    for section in SECTIONS:
        result[section] = [*result[section], entries[section]]
    return {**result, "current-context": access.name}


def without(existing: dict[str, Any], name: str) -> dict[str, Any]:
    """The kubeconfig without the entries of this name; a current context that pointed there is unset."""
    result = {"apiVersion": "v1", "kind": "Config", "preferences": {}, **existing}
    for section in SECTIONS:
        result[section] = [entry for entry in result.get(section) or [] if entry.get("name") != name]
    if result.get("current-context") == name:
        result["current-context"] = ""
    return result


def user_files() -> list[Path]:
    """The files that kubectl reads: those of KUBECONFIG, else ~/.kube/config."""
    named = [Path(path) for path in os.environ.get("KUBECONFIG", "").split(":") if path]
    return named or [Path(os.path.expanduser("~/.kube/config"))]


def user_file() -> Path:
    """The file that kubectl writes: the first of KUBECONFIG that exists, else its last, else ~/.kube/config."""
    files = user_files()
    return next((path for path in files if path.exists()), files[-1])


def current() -> str:
    """kubectl's current context: that of the first file that has one; empty where none has. Raises KubeconfigError."""
    return next(filter(None, map(current_of, user_files())), "")


def current_of(path: Path) -> str:
    """The current context of one file; empty where it has none. Raises KubeconfigError."""
    return str(_read(path).get("current-context") or "")


def current_file() -> Path:
    """The first file that has a current context, else the one that kubectl writes. Raises KubeconfigError."""
    return next((path for path in user_files() if _read(path).get("current-context")), user_file())


def file_of(context: str) -> Path:
    """The first file that has this context, else the one that kubectl writes. Raises KubeconfigError."""

    def has(path: Path) -> bool:
        return any(entry.get("name") == context for entry in _read(path).get("contexts") or [])

    return next(filter(has, user_files()), user_file())


def add(path: Path, access: Access) -> None:
    """Add the world to a kubeconfig file."""
    path = path.resolve()  # a link to the file stays one
    with _locked(path):
        _write(path, merged(_read(path), access))


def remove(path: Path, name: str) -> bool:
    """Remove the world from a kubeconfig file; returns whether its context was the current one.

    Nothing is written where it is not in it.
    """
    path = path.resolve()
    if not path.exists():
        return False
    with _locked(path):
        existing = _read(path)
        if any(entry.get("name") == name for section in SECTIONS for entry in existing.get(section) or []):
            _write(path, without(existing, name))
    return bool(existing.get("current-context") == name)


def choose(path: Path, name: str) -> bool:
    """Make a context current where none is; returns whether it is now."""
    path = path.resolve()
    if not path.exists():
        return False
    with _locked(path):
        existing = _read(path)
        known = any(entry.get("name") == name for entry in existing.get("contexts") or [])
        if existing.get("current-context") or not known:
            return False
        _write(path, {**existing, "current-context": name})
    return True


def _base64(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise KubeconfigError(f"{path}: cannot be read: {error}; mend or move it, or set KUBECONFIG") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise KubeconfigError(f"{path}: is no kubeconfig; mend or move it, or set KUBECONFIG")
    return content


def _write(path: Path, content: dict[str, Any]) -> None:
    fresh = path.with_name(f"{path.name}.podwire-{os.getpid()}")
    text = yaml_output.block(content)
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        fresh.rename(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file that kubectl and kind use too (`config.lock`, made exclusively)."""
    lock = path.with_name(path.name + ".lock")
    deadline = time.monotonic() + LOCK_SECONDS
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        while not _made(lock):
            if time.monotonic() > deadline:
                raise KubeconfigError(f"{lock}: another program holds the kubeconfig; remove this file if none does")
            threading.Event().wait(LOCK_PAUSE_SECONDS)
    except OSError as error:
        raise KubeconfigError(f"{path}: cannot be written: {error}; set KUBECONFIG to a file that can") from error
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _made(lock: Path) -> bool:
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True
