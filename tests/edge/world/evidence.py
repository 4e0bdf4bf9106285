"""What a world shows where a request has no answer: which pods answer whom, dropped connections, the ends of links."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.world.harness import World

REPORTS = (("flows", "--verdict", "dropped", "--last", "30"), ("rows", "policy"), ("status",))
LINKS = ("sh", "-c", "ip -d -o link; ip neighbour; ip route")


def evidence(world: World) -> str:
    """Return what a world shows now, as text for the message of a failed test."""
    return "\n".join(_lines(world))


def _lines(world: World) -> Iterator[str]:
    yield world.kubectl("get", "pods,endpointslices", "-A", "-o", "wide", check=False).stdout
    pods = json.loads(world.kubectl("get", "pods", "-A", "-o", "json").stdout)["items"]
    nodes = sorted({pod["spec"]["nodeName"] for pod in pods})
    proxies = [_name(pod) for pod in pods if "envoy" in pod["metadata"]["name"]]
    for pod in pods:
        if pod["metadata"]["namespace"] == world.namespace:
            yield from _answers(world, pod["status"].get("podIP", ""), [*nodes, *proxies])
    for node in nodes:
        yield f"{node}: {world.run_in(node, *LINKS, check=False).stdout}"
    for report in REPORTS:
        yield world.home.podwire(*report, "--name", world.name, check=False).stdout


def _answers(world: World, address: str, clients: list[str]) -> Iterator[str]:
    for client in clients:
        done = world.run_in(client, "curl", "-sS", "-m", "1", f"http://{address}:8080/", check=False)
        yield f"{client} to {address}: exit {done.returncode} {(done.stdout or done.stderr)[:80]!r}"


def _name(pod: dict[str, dict[str, str]]) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
