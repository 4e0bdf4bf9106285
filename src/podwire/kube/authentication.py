"""Authentication of each request: credentials whose files change under the process, as a kubelet renews them."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from podwire.kube.credentials import CredentialsError

if TYPE_CHECKING:
    import ssl

    from podwire.kube.credentials import Credentials

log = logging.getLogger(__name__)

State = tuple[tuple[int, int, int], ...]
"""Inode, size and time of change of each file: a new token or certificate differs in at least one."""


class Authentication:
    """Reads the files of credentials when they change. A file that cannot be read leaves what was read before."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._context: ssl.SSLContext | None = None
        self._context_state: State | None = None
        self._token = ""
        self._token_state: State | None = None

    def context(self) -> ssl.SSLContext | bool:
        """The TLS context; a new one after its files changed, so that new connections use the new certificate.

        Raises CredentialsError where the first one cannot be made.
        """
        if not self._credentials.server.startswith("https:"):
            return True
        state = _state(self._credentials.files)
        if self._context is None:
            self._context = self._credentials.ssl_context()
        elif state != self._context_state:
            try:
                self._context = self._credentials.ssl_context()
            except CredentialsError as error:
                log.warning("the credentials remain as they were: %s", error)
        self._context_state = state
        return self._context

    def headers(self) -> dict[str, str]:
        """The bearer token, where there is one. Raises CredentialsError where it could never be read."""
        path = self._credentials.token_file
        if not path:
            return {}
        state = _state((path,))
        if state != self._token_state or not self._token:
            try:
                self._token = Path(path).read_text().strip() or self._token
            except OSError as error:
                if not self._token:
                    raise CredentialsError(f"{path}: {error.strerror}") from error
            self._token_state = state
        return {"Authorization": f"Bearer {self._token}"}


def _state(files: tuple[str, ...]) -> State:
    return tuple(_file_state(path) for path in files)


def _file_state(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)
