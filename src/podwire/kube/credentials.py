"""Where an API server is, and the files by which client and server authenticate each other."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import ssl

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""The folder of a pod's token and authority. Source: kubernetes.io "Accessing the Kubernetes API from a Pod"."""


class CredentialsError(Exception):
    """No usable credentials: names the file or variable and what is wrong with it."""


class ExecCommand(msgspec.Struct, frozen=True):
    """A command that prints credentials: its arguments and further variables of its environment.

    `api_version` is that of the ExecCredential that it prints; `hint` is how to install it.
    """

    api_version: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    hint: str = ""


class Credentials(msgspec.Struct, frozen=True):
    """One way to one API server. An empty name of a file means: not used.

    Attributes:
        server: the URL of the server, https or (for tests) http.
        authority_file: PEM; the only authorities that are trusted. Empty: those of the system.
        certificate_file: PEM; the client certificate, with its key in `key_file`.
        key_file: PEM.
        token_file: a bearer token, read again whenever the file changes.
        server_name: the name that the server's certificate must have, where it is not the host of the URL.
        insecure: accept any certificate of the server.
        command: what prints a token or a client certificate, in place of files.
        kubeconfig: the file that all of this but `server` is read from again when it changes, and its context.

    """

    server: str
    authority_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    token_file: str = ""
    server_name: str = ""
    insecure: bool = False
    command: ExecCommand | None = None
    kubeconfig: tuple[str, str] | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The files that TLS uses."""
        return tuple(filter(None, (self.authority_file, self.certificate_file, self.key_file)))

    def ssl_context(self) -> ssl.SSLContext:
        """TLS as these credentials describe it. Raises CredentialsError for a file that cannot be used."""
        import ssl

        from podwire.kube.resumed_tls import ResumedContext

        for path in self.files:
            if not os.access(path, os.R_OK):
                raise CredentialsError(f"{path}: does not exist, or this process may not read it")
        try:
            context = ResumedContext(ssl.PROTOCOL_TLS_CLIENT)
            if self.authority_file:
                context.load_verify_locations(self.authority_file)
            else:
                context.load_default_certs()
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file, self.key_file or None)
        except OSError as error:
            raise CredentialsError(f"{', '.join(self.files)}: no usable PEM: {error}") from error
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def in_cluster(
    environment: Mapping[str, str] = os.environ, folder: Path = SERVICE_ACCOUNT, server: str = ""
) -> Credentials:
    """The credentials of the pod in which this process runs; `server` in place of the one in its environment.

    Raises CredentialsError where it runs in no pod.
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "")
    if not server and not (host and port):
        raise CredentialsError(
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, so this is not a pod: use --kubeconfig"
        )
    if not (folder / "token").exists():
        raise CredentialsError(f"{folder}/token does not exist: let the pod mount its ServiceAccount's token")
    address = f"[{host}]" if ":" in host else host
    return Credentials(server or f"https://{address}:{port}", str(folder / "ca.crt"), token_file=str(folder / "token"))


def in_memory(name: str, content: bytes) -> str:
    """The path of a file that exists as long as this process: its descriptor remains open on purpose."""
    descriptor = os.memfd_create(name)
    os.write(descriptor, content)
    return f"/proc/self/fd/{descriptor}"
