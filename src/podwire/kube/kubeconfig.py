"""Read a kubeconfig file. Source: kubernetes.io "Organizing Cluster Access Using kubeconfig Files"; client-go."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

from podwire.kube.credentials import Credentials, CredentialsError, ExecCommand, in_memory

UNSUPPORTED_USER = ("auth-provider", "username", "as")
UNSUPPORTED_CLUSTER = ("proxy-url",)


def load(path: Path, context: str = "") -> Credentials:
    """The credentials of a context, by default the current one. Raises CredentialsError.

    Names of files are relative to the kubeconfig's folder. Certificates, keys and tokens inside it are put into
    files in memory, as OpenSSL reads no other: no secret is written to a disk.
    """
    document = _read(path)
    name = context or str(document.get("current-context") or "")
    if not name:
        raise CredentialsError(f"{path}: current-context is not set: choose one with --context")
    chosen = _named(path, document, "contexts", "context", name)
    cluster = _named(path, document, "clusters", "cluster", str(chosen.get("cluster") or ""))
    user = _named(path, document, "users", "user", str(chosen["user"])) if chosen.get("user") else {}
    for part, fields in ((user, UNSUPPORTED_USER), (cluster, UNSUPPORTED_CLUSTER)):
        for field in fields:
            if part.get(field):
                raise CredentialsError(
                    f"{path}: context {name}: {field} is not supported: use a token or a certificate"
                )
    if not cluster.get("server"):
        raise CredentialsError(f"{path}: context {name}: its cluster has no server")
    return Credentials(
        server=str(cluster["server"]),
        authority_file=_file(path, cluster, "certificate-authority"),
        certificate_file=_file(path, user, "client-certificate"),
        key_file=_file(path, user, "client-key"),
        token_file=_token(path, user),
        server_name=str(cluster.get("tls-server-name") or ""),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        command=_command(path, user, cluster),
        kubeconfig=(str(path), name),
    )


def _command(path: Path, user: dict[str, Any], cluster: dict[str, Any]) -> ExecCommand | None:
    """The user's command; a token or certificate of the user has precedence, as in client-go."""
    if not isinstance(user.get("exec"), dict) or user.get("token") or user.get("tokenFile"):
        return None
    from podwire.kube import exec_credentials

    return exec_credentials.command(path, user["exec"], cluster)


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 both are safe
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise CredentialsError(f"{path}: is no YAML: {error}") from error
    if not isinstance(document, dict):
        raise CredentialsError(f"{path}: is no kubeconfig")
    return document


def _named(path: Path, document: dict[str, Any], section: str, field: str, name: str) -> dict[str, Any]:
    """The entry of a section with this name."""
    entries = document.get(section)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(field), dict):
            found: dict[str, Any] = entry[field]
            return found
    raise CredentialsError(f"{path}: {section} has no {name!r}")


def _file(path: Path, part: dict[str, Any], field: str) -> str:
    """The name of a file with this field's content; what is inline has precedence, as in client-go."""
    inline = part.get(f"{field}-data")
    if inline:
        try:
            return in_memory(field, base64.b64decode(str(inline), validate=True))
        except binascii.Error as error:
            raise CredentialsError(f"{path}: {field}-data is not base64: {error}") from error
    name = part.get(field)
    return str(path.parent / str(name)) if name else ""


def _token(path: Path, user: dict[str, Any]) -> str:
    """The name of a file with the bearer token; `tokenFile` has precedence, as in client-go."""
    if user.get("tokenFile"):
        return str(path.parent / str(user["tokenFile"]))
    return in_memory("token", str(user["token"]).encode()) if user.get("token") else ""
