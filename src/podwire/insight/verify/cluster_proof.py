"""Prove expectations on a cluster as it is: packets are sent by programs inside the pods, through its API server.

A pod whose images have neither Python nor bash gets an ephemeral container, where an image is given for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from importlib import resources

import msgspec

from podwire.insight.snapshot.policy_view import policy_view
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.target import Target
from podwire.insight.verify import pod_probe
from podwire.insight.verify.expectations import Expectation
from podwire.insight.verify.judgement import Line, judge
from podwire.insight.verify.outcome import Attempt, Outcome, Seen
from podwire.insight.verify.places import OUTSIDE, Place, Places, meshed
from podwire.insight.verify.plan import Plan, plans
from podwire.insight.verify.proof import live_objects
from podwire.kube import remote_command
from podwire.kube.client import STRATEGIC_MERGE_PATCH, ApiError, Client
from podwire.kube.core import Pod
from podwire.kube.kinds import PODS
from podwire.kube.meta import NamespacedName
from podwire.kube.remote_command import Output, RemoteCommand, RemoteCommandError
from podwire.kube.watch import Change

Progress = Callable[[str], None]
SECONDS = 2.0
"""How long an answer is waited for: TCP sends its first packet again after 1 s (RFC 6298, 2)."""
AT_ONCE = 16
CONTAINER_SECONDS = 60.0
LIFETIME = "300"
"""Seconds that an ephemeral container sleeps, so that programs can be run in it."""
_POLL_SECONDS = 0.5


def prove(
    target: Target, expectations: Sequence[Expectation], image: str, report: Progress
) -> tuple[Snapshot, tuple[Line, ...]]:
    """Return the cluster's objects, and a line for each expectation. Raises PlanError and UnreachableError."""
    return target.read(lambda client: _prove(client, expectations, image, report))


async def _prove(
    client: Client, expectations: Sequence[Expectation], image: str, report: Progress
) -> tuple[Snapshot, tuple[Line, ...]]:
    snapshot, pods = await live_objects(client)
    planned = plans(expectations, snapshot, cluster_places(snapshot, pods))
    attempts = [connection.attempt for plan in planned for connection in plan.connections]
    report(f"trying {len(attempts)} connections with real packets")
    by_sender: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in dict.fromkeys(attempts):
        by_sender[attempt.network].append(attempt)
    slots = asyncio.Semaphore(AT_ONCE)
    answers = await asyncio.gather(*(_sent(client, sender, own, image, slots) for sender, own in by_sender.items()))
    seen = {attempt: one for answer in answers for attempt, one in answer.items()}
    alive = working(planned, seen)
    return snapshot, tuple(judge(plan, [seen[one.attempt] for one in plan.connections], alive) for plan in planned)


def cluster_places(snapshot: Snapshot, pods: Sequence[Pod]) -> Places:
    """Return the ends of a cluster: packets are sent from pods, and from this machine as `outside`."""
    view = policy_view(snapshot)
    mesh = meshed(snapshot, (one for one in pods if not one.finished))
    found: dict[str, Place] = {}
    for pod in pods:
        if not pod.finished and pod.addresses:
            view.pod_changed(Change(None, pod))
            found[str(pod.key)] = Place(
                str(pod.key), str(pod.key), pod.addresses, pod.spec.node_name, not pod.spec.host_network
            )
    nodes = {
        one.metadata.name: Place(one.metadata.name, "", one.internal_addresses, one.metadata.name, is_pod=False)
        for one in snapshot.nodes
    }
    return Places(found, nodes, Place(OUTSIDE, OUTSIDE, (), is_pod=False), view, *mesh)


def working(planned: Sequence[Plan], seen: Mapping[Attempt, Seen]) -> dict[str, bool]:
    """Return the addresses of pods that took part in a connection that came about: silence of others proves nothing."""
    return {
        address: True
        for plan in planned
        for one in plan.connections
        if seen[one.attempt].outcome.is_passed
        for place in (one.source, *one.destination.places)
        for address in place.addresses
    }


async def _sent(
    client: Client, sender: str, attempts: Sequence[Attempt], image: str, slots: asyncio.Semaphore
) -> dict[Attempt, Seen]:
    async with slots:
        try:
            outcomes = await _outcomes(client, sender, attempts, image)
        except (RemoteCommandError, ApiError, _NoProgramError) as error:
            return dict.fromkeys(attempts, Seen(Outcome.ERROR, f"from {sender}: {error}"))
    found = dict(zip(attempts, map(Seen, outcomes), strict=True))
    return {one: certain(one, what) for one, what in found.items()}


def certain(one: Attempt, seen: Seen) -> Seen:
    """Silence of a datagram, and a refusal through a Service, mean nothing where the destination is not observed."""
    if one.relay is not None and seen.outcome in (Outcome.OPEN, Outcome.CLOSED):
        return Seen(Outcome.ERROR, "the mesh answers for the pod: whether it was reached is seen in worlds only")
    if one.protocol == "UDP" and seen.outcome is Outcome.SILENT:
        return Seen(Outcome.ERROR, "no datagram came back: a program that does not answer looks like a denial")
    if one.is_translated and seen.outcome is Outcome.CLOSED:
        return Seen(Outcome.REJECTED)
    return seen


async def _outcomes(client: Client, sender: str, attempts: Sequence[Attempt], image: str) -> list[Outcome]:
    if sender == OUTSIDE:
        desired = [(one.address, one.port, one.protocol, SECONDS) for one in attempts]
        return list(map(Outcome, await asyncio.gather(*(asyncio.to_thread(pod_probe.once, *one) for one in desired))))
    if not sender:
        raise _NoProgramError("a cluster's nodes send nothing for podwire: write pods or 'outside', this machine")
    namespace, _, name = sender.partition("/")
    key = NamespacedName(namespace, name)
    pod = await client.get(PODS, key)
    for container in [one.name for one in pod.spec.containers]:
        found = await run_in(client, key, container, attempts)
        if found is not None:
            return found
    if not image:
        raise _NoProgramError("no container has python3 or bash: name an image that has one with --probe-image")
    container = await started_beside(client, key, image)
    found = await run_in(client, key, container, attempts)
    if found is None:
        raise _NoProgramError(f"image {image} has neither python3 nor bash: name one that has")
    return found


class _NoProgramError(Exception):
    """Nothing in the pod can send packets."""


async def run_in(
    client: Client, pod: NamespacedName, container: str, attempts: Sequence[Attempt]
) -> list[Outcome] | None:
    """Run the probe by the first program that the container has; None where it has none."""
    desired = [(one.address, one.port, one.protocol, SECONDS) for one in attempts]
    lines = "".join(f"{' '.join(map(str, one))}\n" for one in desired).encode()
    programs = (
        (("python3", "-c", _text("pod_probe.py")), msgspec.json.encode(desired)),
        (("bash", "-c", _text("pod_probe.bash")), lines),
    )
    for words, given in programs:
        written = bytearray()
        command = RemoteCommand(pod, container, words)
        with contextlib.suppress(RemoteCommandError):
            status = await remote_command.run(client, command, Output(written.extend, lambda _: None), _input(given))
            found = written.decode("utf-8", "replace").split()
            if not status and len(found) == len(attempts):
                return [Outcome(one) for one in found]
    return None


async def _input(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def started_beside(client: Client, pod: NamespacedName, image: str) -> str:
    """Add a container to a pod that runs; return its name when it has started. It stays in the pod's spec."""
    name = f"podwire-verify-{secrets.token_hex(3)}"
    added = {"name": name, "image": image, "command": ["sleep", LIFETIME]}
    body = {"spec": {"ephemeralContainers": [added]}}
    await client.patch(PODS, pod, body, "ephemeralcontainers", STRATEGIC_MERGE_PATCH)
    for _ in range(int(CONTAINER_SECONDS / _POLL_SECONDS)):
        raw = msgspec.json.decode(await client.fetch(PODS.path(pod.namespace, pod.name)))
        states = raw.get("status", {}).get("ephemeralContainerStatuses", ())
        if any(one["name"] == name and "running" in one.get("state", {}) for one in states):
            return name
        await asyncio.sleep(_POLL_SECONDS)
    raise _NoProgramError(f"the ephemeral container of image {image} did not start within {CONTAINER_SECONDS:g} s")


def _text(name: str) -> str:
    return resources.files("podwire.insight.verify").joinpath(name).read_text()
