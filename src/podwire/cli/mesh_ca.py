"""podwire mesh ca"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from podwire.cli.options import choice, target_options

if TYPE_CHECKING:
    from podwire.kube.client import Client

ResultT = TypeVar("ResultT")

ROOT = "root"
FOLDER = click.Path(file_okay=False, path_type=Path)
_LONGEST_DAYS = 36_500


@click.group()
def ca() -> None:
    """The authority of the mesh's identities: look at it, rotate it, revoke certificates.

    \b
    podwire mesh ca status
    podwire mesh ca init root-2027            # on a machine that can be offline
    podwire mesh ca intermediate root-2027    # where that folder and the cluster are
    """


@ca.command()
@click.argument("folder", type=FOLDER)
@click.option("--trust-domain", default="cluster.local", show_default=True, metavar="NAME", help="Of all SPIFFE ids.")
@click.option("--days", type=click.IntRange(1, _LONGEST_DAYS), default=3650, show_default=True, help="Its lifetime.")
def init(folder: Path, trust_domain: str, days: int) -> None:
    """Make a root in a new folder: root.crt and root.key. No cluster is needed.

    Keep the folder offline: it is needed only to make intermediates, and a person with root.key can be every workload.
    """
    from datetime import UTC, datetime, timedelta

    from podwire.mesh.identity import spiffe
    from podwire.pki import authorities, certificates

    try:
        domain = spiffe.trust_domain(trust_domain)
    except spiffe.SpiffeError as error:
        raise click.UsageError(f"--trust-domain: {error}") from None
    if (folder / f"{ROOT}.key").exists():
        raise click.UsageError(f"{folder} has a root already: name another folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificates.write(folder, ROOT, authorities.create_root(domain, datetime.now(UTC), timedelta(days=days)))
    click.echo(f"A root of trust domain {domain} is in {folder}. Next: podwire mesh ca intermediate {folder}")


@ca.command()
@target_options
@click.argument("folder", type=FOLDER)
@click.option("--days", type=click.IntRange(1, _LONGEST_DAYS), default=365, show_default=True, help="Its lifetime.")
def intermediate(folder: Path, days: int, name: str | None, context: str, kubeconfig: str) -> None:
    """Make an intermediate of the root in FOLDER and give it to the cluster; the root's key stays where it is.

    Where the cluster has an authority, of this root or of another one, this is a rotation: the intermediate signs when
    every node trusts its root; the one before it is removed when its certificates have expired. No connection fails.
    """
    from datetime import UTC, datetime, timedelta

    from podwire.mesh.controller import authority_operations
    from podwire.pki.certificates import KeyPair

    try:
        root = KeyPair((folder / f"{ROOT}.crt").read_bytes(), (folder / f"{ROOT}.key").read_bytes())
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}: make it with 'podwire mesh ca init'") from None
    now, lifetime = datetime.now(UTC), timedelta(days=days)
    state = _run((name, context, kubeconfig), lambda c: authority_operations.add_intermediate(c, root, now, lifetime))
    if state.next is None:
        click.echo(f"Intermediate {state.active.fingerprint[:16]} signs.")
    else:
        click.echo(f"Intermediate {state.next.fingerprint[:16]} follows: see 'podwire mesh ca status'.")


@ca.command()
@target_options
def rotate(name: str | None, context: str, kubeconfig: str) -> None:
    """Change to another root that the cluster makes itself, where it has the key of the present one.

    Nodes trust both roots until the certificates of the first one have expired. No connection fails.
    """
    from datetime import UTC, datetime

    from podwire.mesh.controller import authority_operations

    text = datetime.now(UTC).isoformat()
    _run((name, context, kubeconfig), lambda client: authority_operations.request_root(client, text))
    click.echo("Requested: the controller makes the root within seconds. See 'podwire mesh ca status'.")


@ca.command()
@target_options
def status(name: str | None, context: str, kubeconfig: str) -> None:
    """Show roots, intermediates, what is revoked, and how many certificates each node has."""
    from datetime import UTC, datetime

    from podwire.mesh.controller import authority_operations

    now = datetime.now(UTC)
    found = _run((name, context, kubeconfig), lambda client: authority_operations.overview(client, now))
    for line in authority_operations.text(found, now):
        click.echo(line)


@ca.command()
@target_options
@click.option("--node", default="", metavar="NODE", help="All certificates of a node; it gets no others.")
@click.option("--identity", default="", metavar="ID", help="All certificates of a SPIFFE id; it gets no others.")
@click.option("--serial", default="", metavar="HEX", help="One certificate.")
@click.option("--renew", is_flag=True, help="Deny nothing: certificates with other keys take their place.")
def revoke(
    node: str, identity: str, serial: str, *, renew: bool, name: str | None, context: str, kubeconfig: str
) -> None:
    """Revoke certificates: nodes refuse them within seconds. Connections that exist are not ended."""
    from datetime import UTC, datetime

    from podwire.mesh.controller import authority_operations

    if sum(map(bool, (node, identity, serial))) != 1:
        raise click.UsageError("give one of --node, --identity and --serial")
    _check_identity(identity)
    serial = serial.lower().replace(":", "").lstrip("0")
    now = datetime.now(UTC)
    found = _run(
        (name, context, kubeconfig),
        lambda client: authority_operations.revoke(
            client, now, node=node, identity=identity, serial=serial, denies=not renew
        ),
    )
    for entry in found:
        click.echo(f"revoked {entry.serial}  {entry.id}")
    if not found:
        click.echo("No certificate of these is valid.")
    if (node or identity) and not renew:
        option = f"--node {node}" if node else f"--identity {identity}"
        click.echo(f"Denied from now on; 'podwire mesh ca allow {option}' permits it again.")


@ca.command()
@target_options
@click.option("--node", default="", metavar="NODE", help="A node that was denied.")
@click.option("--identity", default="", metavar="ID", help="A SPIFFE id that was denied.")
def allow(node: str, identity: str, name: str | None, context: str, kubeconfig: str) -> None:
    """Let a node or an identity get certificates again. What was revoked stays revoked."""
    from podwire.mesh.controller import authority_operations

    if bool(node) == bool(identity):
        raise click.UsageError("give one of --node and --identity")
    _check_identity(identity)
    was_denied = _run(
        (name, context, kubeconfig), lambda client: authority_operations.allow(client, node=node, identity=identity)
    )
    shown = f"node {node}" if node else identity
    click.echo(
        "Allowed." if was_denied else f"Nothing to allow: {shown} was not denied (see 'podwire mesh ca status')."
    )


def _check_identity(text: str) -> None:
    from podwire.mesh.identity import spiffe

    if text:
        try:
            spiffe.parse(text)
        except spiffe.SpiffeError as error:
            raise click.UsageError(f"--identity: {error}") from None


def _run(target: tuple[str | None, str, str], work: Callable[[Client], Awaitable[ResultT]]) -> ResultT:
    """Work at the API server that the flags name. Raises click.ClickException for what the authority refuses."""
    from podwire.insight import target as targets
    from podwire.mesh.identity.authority import AuthorityError

    chosen: Any = targets.choose(choice(*target))
    try:
        result: ResultT = chosen.read(work)
    except AuthorityError as error:
        raise click.ClickException(str(error)) from None
    return result
