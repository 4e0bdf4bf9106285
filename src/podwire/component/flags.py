"""Flags that several programs have: the API server and its credentials, logs, leadership, probes."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from podwire.component.endpoints import BindAddressError, bind_address
from podwire.kube.credentials import Credentials, CredentialsError, in_cluster
from podwire.kube.pod_pools import NamespacePool, PoolError, namespace_pool

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

FILE = click.Path(exists=True, dir_okay=False)

API_FLAGS = (
    click.option(
        "--kubeconfig",
        type=FILE,
        envvar="KUBECONFIG",
        help="Where the API server is. Without it: --server, or the pod's own ServiceAccount.",
    ),
    click.option("--context", default="", help="A context of the kubeconfig.  [default: its current one]"),
    click.option(
        "--server",
        default="",
        envvar="PODWIRE_SERVER",
        metavar="URL",
        help="The API server, in place of that of the kubeconfig or of the pod.",
    ),
    click.option("--certificate-authority", type=FILE, help="The only authority that the server is trusted by."),
    click.option("--client-certificate", type=FILE, help="Authenticate with this certificate."),
    click.option("--client-key", type=FILE, help="The certificate's key."),
    click.option("--token-file", type=FILE, help="Authenticate with this bearer token; read again when it changes."),
)
LOG_FLAGS = (
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        envvar="PODWIRE_LOG_FORMAT",
        help="Form of the log on standard error.",
    ),
    click.option("-v", "verbosity", count=True, help="Log more: -v podwire's details, -vv all."),
)


def identity_flag(command: CommandT) -> CommandT:
    """The flag of a program of which one leads: its name in the Lease."""
    return click.option(
        "--identity",
        envvar="POD_NAME",
        default="",
        show_envvar=True,
        metavar="NAME",
        help="The name of this process in the Lease.  [default: host name and process id]",
    )(command)


def identity(given: dict[str, Any]) -> str:
    """Take the name in the Lease out of what was given."""
    return given.pop("identity") or f"{socket.gethostname()}-{os.getpid()}"


def probe_flag(default: str) -> Callable[[CommandT], CommandT]:
    """The flag of a program that serves probes and metrics together: where."""
    return click.option(
        "--bind-address",
        "addresses",
        type=AddressList(),
        default=default,
        show_default=True,
        help="/healthz, /readyz and /metrics. Empty: nowhere.",
    )


def own_addresses_flag(service: str) -> Callable[[CommandT], CommandT]:
    """The flag of a program whose leader is the only endpoint of a Service. `service` names it in the help text."""
    return click.option(
        "--pod-ips",
        "own_addresses",
        type=TextList(),
        default="",
        envvar="POD_IPS",
        show_envvar=True,
        help=f"The addresses of this pod. While it leads they are the endpoints of {service}.",
    )


def program_flags(command: CommandT) -> CommandT:
    """The flags of the API server and of logs."""
    for option in reversed(API_FLAGS + LOG_FLAGS):
        command = option(command)
    return command


def credentials(given: dict[str, Any]) -> Credentials:
    """Take the API server's flags out of what was given. Raises click.UsageError."""
    names = (
        "kubeconfig",
        "context",
        "server",
        "certificate_authority",
        "client_certificate",
        "client_key",
        "token_file",
    )
    kubeconfig, context, server, authority, certificate, key, token = (given.pop(name) for name in names)
    if context and not kubeconfig:
        raise click.UsageError("--context needs --kubeconfig")
    if bool(certificate) != bool(key):
        raise click.UsageError("--client-certificate and --client-key need each other")
    try:
        found = _found(kubeconfig, context, server, own=bool(certificate or token))
    except CredentialsError as error:
        raise click.UsageError(str(error)) from error
    proof = {"certificate_file": certificate or "", "key_file": key or "", "token_file": token or ""}
    changes: dict[str, Any] = {**proof, "command": None} if certificate or token else {}
    if server:
        changes["server"] = server
    if authority:
        changes["authority_file"] = authority
    if changes.keys() - {"server"}:
        changes["kubeconfig"] = None  # what a flag gives must not be replaced when the file changes
    return msgspec.structs.replace(found, **changes)


def _found(kubeconfig: str | None, context: str, server: str, *, own: bool) -> Credentials:
    """What other flags then change: the kubeconfig's credentials, those of the flags alone, or those of the pod."""
    if kubeconfig:
        from podwire.kube import kubeconfig as file

        return file.load(Path(kubeconfig), context)
    if server and own:
        return Credentials(server)
    return in_cluster(server=server)


class TextList(click.ParamType[Any]):
    """Texts separated by commas."""

    name = "TEXT,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:  # noqa: ARG002
        """The texts."""
        return value if isinstance(value, tuple) else tuple(filter(None, value.split(",")))


class AddressList(click.ParamType[Any]):
    """Addresses with ports, separated by commas; none for an empty text."""

    name = "ADDRESS:PORT,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[str, int], ...]:
        """The addresses and ports."""
        try:
            return value if isinstance(value, tuple) else tuple(map(bind_address, filter(None, value.split(","))))
        except BindAddressError as error:
            self.fail(str(error), param, ctx)


class NamespacePoolText(click.ParamType[Any]):
    """A pool of ranges for the pods of some namespaces."""

    name = "NAME=RANGE[:MASK],...[@LABEL=VALUE,...]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> NamespacePool:
        """The pool."""
        try:
            return value if isinstance(value, NamespacePool) else namespace_pool(value)
        except PoolError as error:
            self.fail(str(error), param, ctx)


class RangeList(click.ParamType[Any]):
    """IP ranges separated by commas, at most one of each family or any number."""

    name = "CIDR,..."

    def __init__(self, *, any_number: bool = False) -> None:
        self._any_number = any_number

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The ranges as texts in canonical form."""
        if isinstance(value, tuple):
            return value
        try:
            ranges = [ipaddress.ip_network(text.strip()) for text in value.split(",") if text.strip()]
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not self._any_number and len({one.version for one in ranges}) != len(ranges):
            self.fail(f"{value}: at most one range of each family", param, ctx)
        return tuple(map(str, ranges))
