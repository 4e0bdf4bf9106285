"""From the host: switch a node of a world off, as if its power failed, and on again."""

from __future__ import annotations

from podwire.kernel import links
from podwire.kernel.netlink import Netlink
from podwire.lab.base import paths
from podwire.lab.host import nsenter
from podwire.lab.host.worlds import World, WorldError
from podwire.lab.supervisor import power


def switch(world: World, name: str, *, on: bool) -> str:
    """Take its cable out and end all that it runs, or start its roles and put the cable in; returns the node's name.

    Moves this process into the world. Raises WorldError and PowerError.
    """
    nodes = nsenter.node_names(world)
    node = f"node-{name}" if name.isdecimal() else name
    if node not in nodes:
        raise WorldError(f"node {name}: is none of {', '.join(nodes)}")
    nsenter.enter(world, str(paths.network("underlay")))
    with Netlink() as underlay:
        underlay.run([links.bring_up(node) if on else links.take_down(node)])
    power.request(power.PowerRequest(node, on))
    return node
