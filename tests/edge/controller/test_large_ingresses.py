"""Ingresses of 100,000 lines, right ones and wrong ones, in a real Envoy: bounded, and beside them others serve."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
import yaml

from podwire.edge.controller.ingress_loop import MOST_EVENTS, few
from podwire.edge.ingress.servers import Refused
from podwire.edge.xds.resource import VIRTUAL_HOST
from tests.edge.controller.real_ingress import RealIngress, served
from tests.edge.ingress.objects import ingress, path

PATHS = 12_500
LINES = 100_000
SECONDS = 60.0
"""Of one processor, for 25,000 paths at two ports; 4 s where nothing else runs."""
MEGABYTES = 500


def test_of_many_messages_some_are_reported_and_the_number_of_others() -> None:
    assert list(few({"b", "a"})) == ["a", "b"]
    found = list(few({f"path /{number:05}: no expression" for number in range(PATHS)}))
    assert len(found) == MOST_EVENTS + 1
    assert found[0] == "path /00000: no expression"
    assert found[-1].startswith(f"{PATHS - MOST_EVENTS} more")


def test_the_paths_are_as_many_lines() -> None:
    one = yaml.safe_dump([path("/p/1")])
    assert len(one.splitlines()) * PATHS >= LINES * 0.8, one


async def refused_by(edge: RealIngress) -> list[Refused]:
    return [one for one in edge.translation.problems(["wrong.test"]) if isinstance(one, Refused)]


@pytest.mark.long
@pytest.mark.asyncio
async def test_100_000_lines_are_served_or_reported_and_others_serve(tmp_path: Path) -> None:
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    async with served(tmp_path) as edge:
        await edge.put_service("web")
        edge.put(
            ingress("small", path("/"), host="small.test"),
            ingress("large", *(path(f"/p/{number}") for number in range(PATHS)), host="large.test"),
            ingress(
                "wrong",
                path("/right$"),
                *(path(f"/(?={number})", path_type="ImplementationSpecific") for number in range(PATHS)),
                host="wrong.test",
                use_regex="true",
            ),
        )
        await edge.apply()
        assert time.process_time() - started < SECONDS
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEGABYTES
        wanted = {
            "small.test/": 200, "large.test/p/0": 200, f"large.test/p/{PATHS - 1}/x": 200, "large.test/p": 404,
            "wrong.test/right": 200, "wrong.test/other": 404,
        }  # fmt: skip
        found = {one: (await edge.get(*_split(one))).status for one in wanted}
        assert found == wanted
        refused = await refused_by(edge)
        assert (len(refused), {one.reason for one in refused}) == (PATHS, {"InvalidPath"})

        edge.put(ingress("small", path("/new"), host="small.test"))
        started = time.process_time()
        change = edge.translation.difference(["small.test"], (), certificates=False)
        assert time.process_time() - started < 1, "a change of another host does not cost what these do"
        assert {one.name for one in change.upserts if one.type_url == VIRTUAL_HOST} == {
            "ingress:http/small.test", "ingress:https/small.test",
        }  # fmt: skip


def _split(url: str) -> tuple[str, str]:
    host, _, rest = url.partition("/")
    return host, f"/{rest}"
