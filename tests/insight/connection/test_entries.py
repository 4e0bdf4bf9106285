"""Of node ports and load balancers, explanations, a naive evaluator and real packets say the same."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from podwire.insight.answer_form import Verdict
from podwire.insight.connection import answer
from podwire.insight.snapshot import live
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.kube import kubeconfig, yaml_output
from podwire.kube.client import Client
from podwire.testing import World
from podwire.testing.namespaces import Namespace
from podwire.testing.waiting import eventually
from tests.insight.connection import random_entries
from tests.insight.connection.random_entries import ADDRESSES, Entries, Entry
from tests.insight.connection.test_differential import read

TRIES = 5
"""Of each connection: a Service of two endpoints draws one."""
PROBE = f"""
import concurrent.futures, json, socket, sys
def one(target):
    try:
        with socket.create_connection(target, 1): return True
    except OSError: return False
targets = [tuple(each) for each in json.loads(sys.argv[1]) for _ in range({TRIES})]
with concurrent.futures.ThreadPoolExecutor(64) as pool: found = list(pool.map(one, targets))
print(json.dumps([all(found[at : at + {TRIES}]) for at in range(0, len(found), {TRIES})]))
"""


def live_objects(world: World) -> Snapshot:
    async def reading() -> Snapshot:
        async with Client(kubeconfig.load(world.kubeconfig, f"podwire-{world.name}")) as client:
            return await live.read(client)

    return asyncio.run(reading())


def answered(world: World, namespace: str, found: Iterable[Entry]) -> dict[Entry, bool]:
    """Return whether all connections of each client to each address and port are answered."""
    by_client: dict[str, list[Entry]] = {}
    for one in found:
        by_client.setdefault(one.client, []).append(one)

    def seen(client: str) -> dict[Entry, bool]:
        where = f"{namespace}/{client}" if client.startswith("client") else client
        targets = json.dumps([(one.address, one.port) for one in by_client[client]])
        said = world.run_in(where, sys.executable, "-I", "-S", "-c", PROBE, targets).stdout
        return dict(zip(by_client[client], json.loads(said), strict=True))

    with ThreadPoolExecutor() as pool:
        return {way: one for each in pool.map(seen, by_client) for way, one in each.items()}


def started(world: World, namespace: str, seed: int) -> tuple[Entries, Snapshot]:
    entries = random_entries.made(namespace, seed, 30200 + seed % 50 * 8)
    world.apply(yaml_output.blocks(entries.manifests()))
    world.wait(namespace)
    for one in world.kubectl.json("pods", "-n", namespace)["items"]:
        entries.pods[one["metadata"]["name"]]["address"] = one["status"]["podIP"]

    def balanced() -> bool:
        for one in world.kubectl.json("services", "-n", namespace)["items"]:
            entries.services[one["metadata"]["name"]] = one
        return all(
            one["status"]["loadBalancer"] for one in entries.services.values() if one["spec"]["type"] == "LoadBalancer"
        )

    eventually(balanced, 30, "load balancers have addresses")
    return entries, live_objects(world)


def verdicts(entries: Entries, snapshot: Snapshot) -> dict[Entry, bool]:
    """Return whether explanations allow each connection, which the naive evaluator must confirm."""
    found = {}
    for one in entries.ways():
        source = f"{entries.namespace}/{one.client}" if one.client in entries.pods else ADDRESSES[one.client]
        report = answer.report(source, f"{one.address}:{one.port}", snapshot)
        assert report.verdict is not Verdict.UNDECIDABLE
        if one.is_allowed is not None:
            assert (report.verdict is Verdict.ALLOWED) is one.is_allowed, (one, report.text)
            found[one] = one.is_allowed
    return found


@pytest.mark.parametrize("block", [0, *(pytest.param(block, marks=pytest.mark.long) for block in range(1, 30))])
def test_explanations_say_what_the_naive_evaluator_says(block: int) -> None:
    seen: Counter[bool] = Counter()
    for seed in range(block * 15, block * 15 + 15):
        entries = random_entries.made("a", seed, 30200)
        seen.update(verdicts(entries, read(entries.written())).values())
    assert min(seen[True], seen[False]) > 100


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 10))])
def test_packets_do_what_explanations_say(seed: int, namespace: Namespace, world: World) -> None:
    entries, snapshot = started(world, str(namespace), seed)
    wanted = verdicts(entries, snapshot)
    assert set(wanted.values()) == {True, False}
    assert {one.port for one in wanted} > {random_entries.PORT}

    def as_explained() -> bool:
        found = answered(world, str(namespace), wanted)
        wrong = {way: one for way, one in found.items() if one is not wanted[way]}
        if wrong:
            raise AssertionError(f"seed {seed}: packets differ from explanations: {wrong}")
        return True

    eventually(as_explained, 40, "packets do what explanations say")
