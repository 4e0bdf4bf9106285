"""Compare an explanation with what the kernels of the nodes hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from podwire.insight.operations import held_rows
from podwire.insight.operations.node_commands import NodeAnswer, reached, run_on_all
from podwire.insight.service.kernel import differences
from podwire.insight.service.objects import ServiceObjects
from podwire.insight.target import Target
from podwire.kube.client import Client
from podwire.lab.host import nsenter
from podwire.lab.host.worlds import World, WorldError
from podwire.services.model import Frontend
from podwire.services.node_view import NodeView


def compare(
    target: Target, objects: ServiceObjects, views: Sequence[NodeView], taken: frozenset[Frontend]
) -> Iterator[str]:
    """Read each node's maps; return the differences, with the node's name. A node that cannot be read is one.

    Raises ClusterError and UnreachableError.
    """
    names = [view.name for view in views]
    answers = _of_world(target.world, names) if target.world is not None else _of_cluster(target, names)
    by_node = {answer.node: answer for answer in answers}
    for view in views:
        answer = by_node[view.name]
        lines = [answer.error] if answer.error else _differences(answer, objects, view, taken)
        yield from (f"{view.name}: {line}" for line in lines)


def _differences(
    answer: NodeAnswer, objects: ServiceObjects, view: NodeView, taken: frozenset[Frontend]
) -> Sequence[str]:
    try:
        return list(differences(objects, view, held_rows.decode(answer.output), taken))
    except msgspec.MsgspecError as error:
        return [f"its agent has another version, whose rows cannot be read: {error}"]


def _of_world(world: World, nodes: Sequence[str]) -> Iterator[NodeAnswer]:
    for node in nodes:
        try:
            yield NodeAnswer(node, nsenter.computed(world, node, lambda: held_rows.of_this_node().decode()).encode())
        except WorldError as error:
            yield NodeAnswer(node, error=str(error))


def _of_cluster(target: Target, nodes: Sequence[str]) -> list[NodeAnswer]:
    async def question(client: Client) -> list[NodeAnswer]:
        return await run_on_all(client, await reached(client, nodes), lambda _: ("rows", "services", "--held"))

    return target.read(question)
