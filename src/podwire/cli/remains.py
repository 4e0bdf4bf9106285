"""What dead worlds left: cleared away, and said."""

from __future__ import annotations

import click


def clear() -> list[str]:
    """Forget the worlds that were killed or whose `up` was, with a line for each; answers their names."""
    from podwire.lab.host import stop

    names, chosen = stop.prune()
    for name in names:
        click.echo(f"World '{name}' was dead; what it left is cleared away.", err=True)
    if chosen:
        click.echo(f"kubectl's current context is now {chosen}.", err=True)
    return names
