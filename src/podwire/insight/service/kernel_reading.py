"""Compare an explanation with what the kernels of a world's nodes hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podwire.insight.service.kernel import differences
from podwire.insight.service.objects import ServiceObjects
from podwire.kernel.setdump import SetDump
from podwire.lab.host import nsenter
from podwire.lab.host.worlds import World, WorldError
from podwire.services.model import Frontend
from podwire.services.node_view import NodeView
from podwire.services.readback import held_rows


def compare(
    world: World, objects: ServiceObjects, views: Sequence[NodeView], taken: frozenset[Frontend]
) -> Iterator[str]:
    """Read each node's maps; return the differences, with the node's name. A node that is off is one."""
    for view in views:

        def found(node: NodeView = view) -> str:
            held = [row for family in (4, 6) for row in held_rows(SetDump(), family)]
            return "\n".join(differences(objects, node, held, taken))

        try:
            lines = nsenter.computed(world, view.name, found).splitlines()
        except WorldError as error:
            lines = [str(error)]
        yield from (f"{view.name}: {line}" for line in lines)
