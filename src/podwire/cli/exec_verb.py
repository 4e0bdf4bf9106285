"""podwire exec"""

from __future__ import annotations

import sys

import click

from podwire.cli.options import name_option


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@name_option
@click.argument("target")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
def command(name: str | None, target: str, program: tuple[str, ...]) -> None:
    """Run one of this machine's programs in the network of TARGET.

    TARGET is a node (node-1), 'outside', 'underlay', a pod, or a workload, of which a ready pod is chosen: NAME,
    NAMESPACE/NAME, KIND/NAME or NAMESPACE/KIND/NAME. The program sees this machine's files; to run something inside
    a container, use 'kubectl exec'.

    \b
    podwire exec node-1 -- ip route
    podwire exec shop/frontend -- dig +search backend
    podwire exec outside -- ping -c1 172.18.0.2
    """
    from podwire.lab.host import nsenter, select_world

    words = nsenter.words_of("exec", program, "exec node-1 -- ip route")
    sys.exit(nsenter.run(select_world.choose_ready(name), target, words))
