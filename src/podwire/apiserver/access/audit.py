"""The audit log: one line of JSON a request, without bodies.

Level Metadata of k8s.io/apiserver `audit/v1`, stage ResponseComplete; ResponseStarted for watches and streams.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from podwire.apiserver.writes.metadata import new_uid

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from podwire.apiserver.base.attributes import Attributes
    from podwire.apiserver.base.authentication import User
    from podwire.apiserver.base.requests import Request

Object = dict[str, Any]

log = logging.getLogger(__name__)

LARGEST_FILE = 4 * 1024 * 1024
"""Bytes of the file before it becomes `<name>.1` and takes the place of the one before."""

MOST_USERS = 64
"""Users whose part of a line is remembered."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How a request ended. `user` is the authenticated one; `code` of a stream is that of its start."""

    user: User | None
    attributes: Attributes
    code: int
    reason: str = ""
    streams: bool = False


class AuditLog:
    """One file that grows to a limit, and the one before it."""

    def __init__(self, path: Path, clock: Callable[[], datetime], largest: int = LARGEST_FILE) -> None:
        self._path = path
        self._clock = clock
        self._largest = largest
        self._file = _open(path)
        self._size = os.fstat(self._file).st_size

    def record(self, request: Request, outcome: Outcome, begun: datetime) -> None:
        """Write a line about a request that was answered."""
        line = msgspec.json.encode(event(request, outcome, begun, self._clock())) + b"\n"
        try:
            if self._size + len(line) > self._largest:
                self._rotate_if_possible()
            self._size += os.write(self._file, line)
        except OSError as error:  # a full disk does not stop the server, as upstream's log does not
            log.warning("the audit log lacks a line about %s: %s: %s", request.path, self._path, error)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _rotate_if_possible(self) -> None:
        """Begin a new file; where that fails the present one goes on growing, and the next line tries again."""
        try:
            self._rotate()
        except OSError as error:
            log.warning("the audit log cannot be rotated: %s: %s", self._path, error)

    def _rotate(self) -> None:
        """Open the new file before anything is renamed: each step that fails can be repeated."""
        fresh_path = self._path.with_name(f"{self._path.name}.new")
        fresh = _open(fresh_path)
        try:
            with contextlib.suppress(FileNotFoundError):
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            fresh_path.replace(self._path)
        except OSError:
            os.close(fresh)
            raise
        full, self._file = self._file, fresh
        os.close(full)
        self._size = 0


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def event(request: Request, outcome: Outcome, begun: datetime, now: datetime) -> Object:
    """The audit event of a request. `begun` is when it came."""
    attributes, user = outcome.attributes, outcome.user
    result: Object = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": new_uid(),
        "stage": "ResponseStarted" if outcome.streams else "ResponseComplete",
        "requestURI": _uri(request),
        "verb": attributes.verb,
        "user": {} if user is None else _user(user),
        "sourceIPs": [request.source] if request.source else [],
        "userAgent": request.headers.get("user-agent", ""),
        "responseStatus": {"metadata": {}, "code": outcome.code},
        "requestReceivedTimestamp": _microseconds(begun),
        "stageTimestamp": _microseconds(now),
    }
    if user is not None and request.user is not None and request.user != user:
        result["impersonatedUser"] = _user(request.user)
    if not attributes.path:
        result["objectRef"] = _reference(attributes)
    if outcome.reason:
        result["responseStatus"]["reason"] = outcome.reason
    return result


@functools.lru_cache(MOST_USERS)
def _user(user: User) -> msgspec.Raw:
    """A user as the log has it, encoded once: a few users send most requests."""
    return msgspec.Raw(msgspec.json.encode(user.json()))


def _uri(request: Request) -> str:
    if not request.query:
        return request.path
    return f"{request.path}?{urlencode([(name, one) for name, values in request.query.items() for one in values])}"


def _reference(attributes: Attributes) -> Object:
    parts = {
        "resource": attributes.resource,
        "namespace": attributes.namespace,
        "name": attributes.name,
        "apiGroup": attributes.group,
        "apiVersion": attributes.version,
        "subresource": attributes.subresource,
    }
    return {key: value for key, value in parts.items() if value}


def _microseconds(moment: datetime) -> str:
    """A moment in UTC as `metav1.MicroTime` (strftime takes three times as long)."""
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"
