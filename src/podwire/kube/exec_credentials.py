"""Credentials from a command of the kubeconfig, such as `aws eks get-token`, run again when they expire.

Source: k8s.io/client-go `plugin/pkg/client/auth/exec`, client.authentication.k8s.io/v1 ExecCredential.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.kube.credentials import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from podwire.kube.credentials import ExecCommand

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
TIMEOUT_SECONDS = 60.0


class ExecStatus(msgspec.Struct, rename="camel", frozen=True):
    """What a command returns: a token, or a client certificate with its key (PEM), or both."""

    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether it has not expired; without an expiration time it is valid until the server refuses it."""
        return self.expiration_timestamp is None or now < self.expiration_timestamp


class _ExecCredential(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    status: ExecStatus | None = None


def command(path: Path, entry: Mapping[str, Any], cluster: Mapping[str, Any]) -> ExecCommand:
    """The command of a user's `exec` entry in the kubeconfig at `path`. Raises CredentialsError."""
    from podwire.kube.credentials import ExecCommand

    version, program = str(entry.get("apiVersion") or ""), str(entry.get("command") or "")
    if version not in VERSIONS:
        raise CredentialsError(f"{path}: exec.apiVersion {version!r}: {' or '.join(VERSIONS)} is needed")
    if not program:
        raise CredentialsError(f"{path}: exec.command is not set")
    if entry.get("interactiveMode") == "Always":
        raise CredentialsError(f"{path}: exec.interactiveMode Always: podwire has no terminal for {program}")
    if os.sep in program:
        program = str(path.parent / program)
    spec: dict[str, Any] = {"interactive": False}
    if entry.get("provideClusterInfo"):
        spec["cluster"] = _cluster_info(path, cluster)
    variables = tuple((str(each["name"]), str(each["value"])) for each in entry.get("env") or ())
    return ExecCommand(
        version,
        (program, *map(str, entry.get("args") or ())),
        (
            *variables,
            ("KUBERNETES_EXEC_INFO", json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": spec})),
        ),
        str(entry.get("installHint") or ""),
    )


def _cluster_info(path: Path, cluster: Mapping[str, Any]) -> dict[str, Any]:
    """The cluster of the kubeconfig with its authority inline, as a command reads it."""
    found = {name: value for name, value in cluster.items() if name != "certificate-authority"}
    authority = cluster.get("certificate-authority")
    if authority and not found.get("certificate-authority-data"):
        try:
            found["certificate-authority-data"] = b64encode((path.parent / str(authority)).read_bytes()).decode()
        except OSError as error:
            raise CredentialsError(f"{path.parent / str(authority)}: {error.strerror}") from error
    return found


async def run(given: ExecCommand) -> ExecStatus:
    """Run the command and return its credentials. Raises CredentialsError; blocks no other task."""
    name = given.arguments[0]
    try:
        done = await asyncio.to_thread(
            subprocess.run,
            given.arguments,
            env={**os.environ, **dict(given.environment)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CredentialsError(f"{name}, which gets the credentials, took more than {TIMEOUT_SECONDS:g} s") from None
    except OSError as error:
        hint = f"; {given.hint}" if given.hint else ""
        raise CredentialsError(f"{name}, which gets the credentials: {error.strerror}{hint}") from error
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise CredentialsError(f"{name}, which gets the credentials, ended with {done.returncode}: {reason}")
    return read(name, done.stdout, given.api_version)


def read(name: str, output: bytes, version: str) -> ExecStatus:
    """The credentials in a command's output. Raises CredentialsError."""
    try:
        found = msgspec.json.decode(output, type=_ExecCredential)
    except msgspec.MsgspecError as error:
        raise CredentialsError(f"{name} printed no ExecCredential: {error}") from None
    if (found.kind, found.api_version) != ("ExecCredential", version):
        raise CredentialsError(
            f"{name} printed {found.kind} of {found.api_version} instead of ExecCredential of {version}"
        )
    status = found.status
    if status is None or not (status.token or status.client_certificate_data):
        raise CredentialsError(f"{name} printed an ExecCredential without token and certificate")
    if bool(status.client_certificate_data) != bool(status.client_key_data):
        raise CredentialsError(f"{name}: clientCertificateData and clientKeyData need each other")
    return status


def now() -> datetime:
    """The time that expirations are compared with."""
    return datetime.now(UTC)
