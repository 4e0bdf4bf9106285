"""podwire mesh"""

from __future__ import annotations

import click

from podwire.cli.mesh_audit import audit
from podwire.cli.mesh_ca import ca


@click.group()
def command() -> None:
    """Audit the mesh of a cluster or a world, and manage its authority of identities.

    \b
    podwire mesh ca status
    podwire mesh audit
    """


command.add_command(audit)
command.add_command(ca)
