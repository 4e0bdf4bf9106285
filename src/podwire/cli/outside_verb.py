"""podwire outside"""

from __future__ import annotations

import sys

import click

from podwire.cli.options import name_option


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@name_option
@click.argument("program", nargs=-1, type=click.UNPROCESSED)
def command(name: str | None, program: tuple[str, ...]) -> None:
    """Run one of this machine's programs on the host outside of the cluster, as a client from the internet.

    It reaches the addresses of load balancers, node ports and what nodes have open, and nothing else of the cluster.
    The exit status is the program's. The program sees this machine's files.

    \b
    podwire outside -- curl -s http://172.18.254.1/
    podwire outside -- nc -u 172.18.0.2 30053
    """
    from podwire.lab.host import nsenter, select_world

    words = nsenter.words_of("outside", program, "outside -- curl -s http://172.18.254.1/")
    sys.exit(nsenter.run(select_world.choose_ready(name), "outside", words))
