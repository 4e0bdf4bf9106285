"""The API server by plain HTTPS requests with the credentials of a kubeconfig."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

REQUEST_SECONDS = 10.0
POLL_SECONDS = 0.05


class NotReadyError(Exception):
    """What was waited for did not come in time."""


class Api:
    """A connection for each request."""

    def __init__(self, kubeconfig: Path) -> None:
        document = json.loads(kubeconfig.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        self._server = urlsplit(cluster["server"])
        self._context = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as both:
            both.write(_decoded(user["client-certificate-data"]) + _decoded(user["client-key-data"]))
            both.flush()
            self._context.load_cert_chain(both.name)

    def get(self, path: str) -> Any:
        """The JSON document at a path. Raises OSError, http.client.HTTPException, ValueError for another status."""
        return json.loads(self._request("GET", path))

    def is_ready(self) -> bool:
        """Whether the server reports that all its parts are ready."""
        try:
            self._request("GET", "/readyz")
        except (OSError, http.client.HTTPException, ValueError):
            return False
        return True

    def post(self, path: str, document: Any) -> Any:
        """Create an object. Raises as get."""
        return json.loads(self._request("POST", path, json.dumps(document).encode()))

    def delete(self, path: str) -> None:
        """Delete an object. Raises as get."""
        self._request("DELETE", path)

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        connection = http.client.HTTPSConnection(
            self._server.hostname or "", self._server.port, timeout=REQUEST_SECONDS, context=self._context
        )
        try:
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise ValueError(f"{method} {path}: {answer.status}: {content[:500].decode(errors='replace')}")
        return content


def wait(what: str, seconds: float, is_so: Callable[[], bool], poll: float = POLL_SECONDS) -> float:
    """Wait until it is so; return how long that took. Errors of a server that restarts count as not yet.

    Raises NotReadyError.
    """
    began = time.monotonic()
    while True:
        try:
            if is_so():
                return time.monotonic() - began
        except (OSError, http.client.HTTPException, ValueError):
            pass
        if time.monotonic() - began > seconds:
            raise NotReadyError(f"{what}: not within {seconds:.0f} s")
        time.sleep(poll)


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)
