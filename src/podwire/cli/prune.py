"""Remove what dead worlds left on the host."""

from __future__ import annotations

import click


def dead_worlds() -> list[str]:
    """Remove worlds that were killed, or whose `up` was, and print a line for each; return their names."""
    from podwire.lab.host import stop

    names, chosen = stop.prune()
    for name in names:
        click.echo(f"World '{name}' was dead; what it left is cleared away.", err=True)
    if chosen:
        click.echo(f"kubectl's current context is now {chosen}.", err=True)
    return names
