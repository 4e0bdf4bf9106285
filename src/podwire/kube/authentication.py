"""Authentication of each request: credentials whose files change under the process, as a kubelet renews them."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from podwire.kube.credentials import CredentialsError, in_memory

if TYPE_CHECKING:
    import ssl

    from podwire.kube.credentials import Credentials
    from podwire.kube.exec_credentials import ExecStatus

log = logging.getLogger(__name__)

State = tuple[tuple[int, int, int], ...]
"""Inode, size and time of change of each file: a new token or certificate differs in at least one."""


class Authentication:
    """Reads the files of credentials when they change, and runs their command when its result has expired.

    A file that cannot be read, or a command that fails, leaves what there was before.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._context: ssl.SSLContext | None = None
        self._context_state: State | None = None
        self._token = ""
        self._token_state: State | None = None
        self._kubeconfig_state = self._state_of_kubeconfig()
        self._status: ExecStatus | None = None
        self._descriptors: tuple[int, ...] = ()
        """Of the files in memory with the certificate and the key of the command."""
        self._running = asyncio.Lock()

    def context(self) -> ssl.SSLContext | bool:
        """The TLS context; a new one after its files changed, so that new connections use the new certificate.

        Raises CredentialsError where the first one cannot be made.
        """
        self._follow_kubeconfig()
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
        self._follow_kubeconfig()
        path = self._credentials.token_file
        if not path:
            return {"Authorization": f"Bearer {self._token}"} if self._token else {}
        state = _state((path,))
        if state != self._token_state or not self._token:
            try:
                self._token = Path(path).read_text().strip() or self._token
            except OSError as error:
                if not self._token:
                    raise CredentialsError(f"{path}: {error.strerror}") from error
            self._token_state = state
        return {"Authorization": f"Bearer {self._token}"}

    def _follow_kubeconfig(self) -> None:
        """Read the kubeconfig again when it changes: `kubeadm certs renew` writes new certificates into it."""
        state = self._state_of_kubeconfig()
        if state == self._kubeconfig_state or self._credentials.kubeconfig is None:
            return
        self._kubeconfig_state = state
        from podwire.kube import kubeconfig

        path, context = self._credentials.kubeconfig
        try:
            found = kubeconfig.load(Path(path), context)
        except CredentialsError as error:
            log.warning("the credentials remain as they were: %s", error)
            return
        kept = {"server": self._credentials.server}
        if found.command is None or found.command != self._credentials.command:
            self._status = None
            self._token = self._token if found.token_file else ""
        elif self._descriptors:  # what the same command returned remains valid
            kept |= {"certificate_file": self._credentials.certificate_file, "key_file": self._credentials.key_file}
        self._credentials = msgspec.structs.replace(found, **kept)
        self._context_state = self._token_state = None

    def _state_of_kubeconfig(self) -> State:
        return _state(self._credentials.kubeconfig[:1]) if self._credentials.kubeconfig else ()

    async def renew(self) -> None:
        """Run the command of the credentials, if they have one and its last result has expired.

        Raises CredentialsError where it never succeeded.
        """
        if self._credentials.command is None:
            return
        from podwire.kube import exec_credentials

        async with self._running:
            if self._status is None or not self._status.is_valid(exec_credentials.now()):
                await self._run_command()

    async def refused(self) -> bool:
        """Read again what the server did not accept; whether the token differs now, so that another try may succeed."""
        before = self._token
        if self._credentials.command is not None:
            await self._run_command()
        self._token_state = self._context_state = None
        return self.headers() != {"Authorization": f"Bearer {before}"} and bool(self._token)

    async def _run_command(self) -> None:
        from podwire.kube import exec_credentials

        assert self._credentials.command is not None, "called for credentials with a command"
        try:
            status = await exec_credentials.run(self._credentials.command)
        except CredentialsError as error:
            if self._status is None:
                raise
            log.warning("the credentials remain as they were: %s", error)
            return
        self._use(status)

    def _use(self, status: ExecStatus) -> None:
        """Authenticate by this result from now on."""
        before, self._status, self._token = self._status, status, status.token
        certificate = status.client_certificate_data
        if certificate and (before is None or certificate != before.client_certificate_data):
            for descriptor in self._descriptors:
                os.close(descriptor)
            files = {
                "certificate_file": in_memory("client-certificate", certificate.encode()),
                "key_file": in_memory("client-key", status.client_key_data.encode()),
            }
            self._descriptors = tuple(int(Path(file).name) for file in files.values())
            self._credentials = msgspec.structs.replace(self._credentials, **files)
            self._context = None


def _state(files: tuple[str, ...]) -> State:
    return tuple(_file_state(path) for path in files)


def _file_state(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)
