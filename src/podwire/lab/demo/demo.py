"""The demo: start the shop in a world, send every probe of the plan from inside the pods, end the world."""

from __future__ import annotations

import functools
import json
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from podwire.lab.demo.plan import Probe, Via, Workload, probes
from podwire.lab.demo.report import Attempt, Line, Result, Step, judge
from podwire.lab.host.launch import LaunchError
from podwire.lab.host.manifests import kubectl, kubectl_environment
from podwire.lab.host.start import UpOptions, start
from podwire.lab.host.stop import stop
from podwire.lab.host.worlds import World

SILENCE_SECONDS = 0.75
"""How long a denied connection is waited for: a TCP client sends its first packet, and waits 1 s to send it again."""
PYTHON = "/usr/bin/python3"

Kubectl = Callable[..., str]
"""Runs kubectl with arguments and returns its output."""


def shop_folder() -> Path:
    """The manifests of the shop: beside the installed package, or in the repository that it runs from."""
    package = Path(str(resources.files("podwire")))
    for folder in (package / "examples" / "shop", package.parents[1] / "examples" / "shop"):
        if folder.is_dir():
            return folder
    raise LaunchError("examples/shop is not there: reinstall podwire, or run the demo from its repository")


@dataclass
class Clock:
    """How long each part took, in order; each part is announced when it begins."""

    report: Callable[[str], None]
    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure the block."""
        self.report(name)
        began = time.monotonic()
        yield
        self.steps.append(Step(name, time.monotonic() - began))


@dataclass(frozen=True)
class Pods:
    """The shop's pods by the API server: for each workload, names with node and address."""

    by_workload: Mapping[Workload, tuple[tuple[str, str, str], ...]]

    @classmethod
    def read(cls, listing: Mapping[str, Any], workloads: Iterable[Workload]) -> Pods:
        """From `kubectl get pods -A -o json`; a workload's pods have its name as label `app`."""
        found: dict[Workload, tuple[tuple[str, str, str], ...]] = {}
        for workload in workloads:
            found[workload] = tuple(
                (item["metadata"]["name"], item["spec"]["nodeName"], item["status"]["podIP"])
                for item in listing["items"]
                if item["metadata"]["namespace"] == workload.namespace
                and item["metadata"].get("labels", {}).get("app") == workload.name
                and item["status"].get("phase") == "Running"
            )
        return cls(found)

    def pair(self, source: Workload, target: Workload) -> tuple[str, str] | None:
        """A pod of the source, and the address of a pod of the target on another node; None where all share one."""
        for name, node, _ in self.by_workload[source]:
            for _, other, address in self.by_workload[target]:
                if other != node:
                    return name, address
        return None

    def first(self, workload: Workload) -> str:
        """Any pod of a workload; raises LaunchError where none runs."""
        pods = self.by_workload[workload]
        if not pods:
            raise LaunchError(f"{workload}: no pod runs; see 'kubectl -n {workload.namespace} get pods,events'")
        return pods[0][0]


def run_demo(name: str, nodes: int, clock: Clock) -> tuple[Line, ...]:
    """Up, apply, prove, down; returns what was seen, judged. The world is gone afterwards, whatever happened."""
    with clock.step(f"start a world of {nodes} nodes"):
        world = start(UpOptions(name, nodes, "direct", 0, 60.0), lambda _: None)
    try:
        with clock.step("apply the shop with kubectl"):
            _kubectl(world, "apply", "-f", str(shop_folder()))
        with clock.step("wait until its Deployments are available"):
            _kubectl(world, "wait", "deployment", "--all", "-A", "--for=condition=Available", "--timeout=60s")
        with clock.step("send every probe with real packets"):
            results = prove(functools.partial(_kubectl, world), probes())
    finally:
        with clock.step("take the world down"):
            stop(world)
    return judge(results)


def prove(run: Kubectl, plan: tuple[Probe, ...]) -> list[Result]:
    """Send all probes, those of one pod by one program inside it, all pods at the same time.

    `run` calls kubectl for the cluster that the shop is in; each pod that sends has a Python at PYTHON.
    """
    workloads = {workload for probe in plan for workload in (probe.source, probe.target)}
    pods = Pods.read(json.loads(run("get", "pods", "-A", "-o", "json")), workloads)
    by_pod: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for number, probe in enumerate(plan):
        question = _question(str(number), probe, pods)
        if question is not None:
            pod, target = question
            by_pod[probe.source.namespace, pod].append(target)
    with ThreadPoolExecutor(max_workers=len(by_pod)) as threads:
        answers = threads.map(lambda item: _probe(run, *item), by_pod.items())
    attempts = {key: value for answer in answers for key, value in answer.items()}
    return [Result(probe, attempts.get(str(number), ())) for number, probe in enumerate(plan)]


def _question(number: str, probe: Probe, pods: Pods) -> tuple[str, dict[str, Any]] | None:
    """Return the source pod and the prober's target; None if the pods' nodes do not allow the probe."""
    pod, host = pods.first(probe.source), probe.host
    if probe.via is Via.POD_ELSEWHERE:
        pair = pods.pair(probe.source, probe.target)
        if pair is None:
            return None
        pod, host = pair
    protocol = "NAME" if probe.via is Via.NAME_ONLY else probe.protocol
    return pod, {
        "id": number,
        "host": host,
        "port": probe.port,
        "protocol": protocol,
        "times": probe.times,
        "seconds": SILENCE_SECONDS,
    }


def _probe(run: Kubectl, pod: tuple[str, str], targets: list[dict[str, Any]]) -> dict[str, tuple[Attempt, ...]]:
    """Run the prober in a pod."""
    program = resources.files("podwire.lab.demo").joinpath("prober.py").read_text()
    namespace, name = pod
    answer = run("-n", namespace, "exec", name, "--", PYTHON, "-c", program, json.dumps(targets))
    return {
        key: tuple(Attempt(one["outcome"], one["by"], one["milliseconds"]) for one in attempts)
        for key, attempts in json.loads(answer).items()
    }


def _kubectl(world: World, *arguments: str) -> str:
    """Run kubectl and return its output. Raises LaunchError with its message."""
    result = subprocess.run(
        [kubectl(), *arguments], env=kubectl_environment(world), capture_output=True, text=True, check=False
    )
    if result.returncode:
        words = " ".join(arguments[:4])
        raise LaunchError(f"kubectl {words}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout
