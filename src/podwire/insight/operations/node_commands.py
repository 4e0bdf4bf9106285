"""Run podwire's own verbs on nodes of a cluster: exec in the pods of their agents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from http import HTTPStatus

import aiohttp
import msgspec

from podwire.insight.operations.programs import NAMESPACE, ClusterError, Program, ProgramPod, Reach, pods_of, reach
from podwire.kube import remote_command
from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import NODES
from podwire.kube.remote_command import Output, RemoteCommand, RemoteCommandError

NODE_LOCAL = "--node-local"
"""The flag by which a verb works on the machine that it runs on."""
AT_ONCE = 16
"""Nodes that are reached at the same time."""


class NodeAnswer(msgspec.Struct, frozen=True):
    """What a verb wrote on a node, or why it did not."""

    node: str
    output: bytes = b""
    error: str = ""


Answered = Callable[[NodeAnswer], None]


async def reached(client: Client, requested: Sequence[str] = ()) -> Reach:
    """Find the agents of these nodes, by default of all. Raises ClusterError."""
    nodes, pods = await asyncio.gather(client.list(NODES), pods_of(client, Program.AGENT))
    return reach(sorted(one.metadata.name for one in nodes.items), pods, requested)


async def run_on_all(
    client: Client, found: Reach, words_for: Callable[[str], Sequence[str]], answered: Answered = lambda _: None
) -> list[NodeAnswer]:
    """Run a verb on each node, with the words for it; return the answers by node, and pass each on as it comes.

    A node that cannot be reached has an error as its answer. Raises ClusterError where this account may run nothing.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def one(pod: ProgramPod) -> NodeAnswer:
        async with places:
            answer = await _answer(client, pod, words_for(pod.node))
        answered(answer)
        return answer

    answers = await asyncio.gather(*map(one, found.agents.values()))
    unreached = (NodeAnswer(node, error=error) for node, error in found.unreached.items())
    return sorted((*answers, *unreached), key=lambda answer: answer.node)


async def _answer(client: Client, pod: ProgramPod, words: Sequence[str]) -> NodeAnswer:
    written, complaint = bytearray(), bytearray()
    try:
        status = await run_on(client, pod, words, Output(written.extend, complaint.extend))
    except RemoteCommandError as error:
        return NodeAnswer(pod.node, error=str(error))
    text = complaint.decode("utf-8", "replace").strip().removeprefix("podwire: ")
    if status:
        return NodeAnswer(pod.node, error=text or f"'podwire {words[0]}' ended with status {status}")
    return NodeAnswer(pod.node, bytes(written))


async def run_on(
    client: Client, pod: ProgramPod, words: Sequence[str], output: Output, stdin: AsyncIterator[bytes] | None = None
) -> int:
    """Run a verb on the node of an agent's pod; return its exit status.

    Raises ClusterError where this account may run nothing there, and RemoteCommandError with the remedy where that pod
    cannot.
    """
    command = RemoteCommand(pod.key, Program.AGENT, ("podwire", *words, NODE_LOCAL))
    try:
        return await remote_command.run(client, command, output, stdin)
    except ApiError as error:
        if error.code == HTTPStatus.FORBIDDEN:
            raise ClusterError(
                f"namespace {NAMESPACE}: {error}; this account needs a Role that may create pods/exec there"
            ) from error
        raise RemoteCommandError(_explained(pod, str(error))) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise RemoteCommandError(_explained(pod, str(error) or type(error).__name__)) from error
    except RemoteCommandError as error:
        raise RemoteCommandError(_explained(pod, str(error))) from error


def _explained(pod: ProgramPod, error: str) -> str:
    """The error with the pod. Where that is not ready, the reason is why no command runs in it."""
    remedy = f"see 'kubectl -n {NAMESPACE} describe pod {pod.key.name}'"
    return f"pod {pod.key} on {pod.node}: {pod.trouble or error}; {remedy}"
