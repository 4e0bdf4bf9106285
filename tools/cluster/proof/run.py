"""A proof from the start of a cluster of its own to its end, in parts; what fails in one part stops no other."""

from __future__ import annotations

import http.client
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tools.cluster import installation, record, start, stop, suite
from tools.cluster.api import NotReadyError
from tools.cluster.control import NotRunningError
from tools.cluster.demo_image import archive as demo_archive
from tools.cluster.installation import GATEWAY_CHOICES
from tools.cluster.kubectl import KubectlError
from tools.cluster.proof import (
    corefile,
    disturbances,
    gateway,
    node_state,
    operations,
    page,
    pod_start,
    releases,
    shop,
    size,
    tiers,
)
from tools.cluster.proof.evidence import Evidence, Figure, joined, load, save
from tools.cluster.proof.subject import Subject
from tools.cluster.start import REPOSITORY
from tools.cluster.traffic import Traffic
from tools.conformance import programs, records, runs, tables
from tools.conformance import suite as conformance
from tools.conformance.page import counts
from tools.conformance.results import judge
from tools.conformance.selection import Selection

DOCUMENT = REPOSITORY / "docs" / "reference" / "cluster.md"
FILE = "evidence.json"
START = "start"
PARTS = (
    "shop", "operations", "tiers", "dns", "disturbances", "gateway", "upgrade", "overlay", "pod-start", "size",
    "suite", "uninstall",
)  # fmt: skip
PLAIN_PARTS: dict[str, Callable[[Subject], None]] = {
    "operations": operations.run,
    "tiers": tiers.run,
    "dns": corefile.run,
    "pod-start": pod_start.measure,
    "size": size.measure,
}
TRAFFIC_PARTS: dict[str, Callable[[Subject, Traffic], None]] = {
    "disturbances": disturbances.run,
    "upgrade": releases.upgrade_and_back,
    "overlay": releases.change_overlay,
}
"""Those under traffic."""
FAULTS = (
    NotReadyError, NotRunningError, KubectlError, subprocess.CalledProcessError, OSError, ValueError,
    http.client.HTTPException,
)  # fmt: skip
"""What a part may fail with: it is a check that does not hold."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to prove: the name and the nodes of the cluster, parts of PARTS, and the tests of the suite."""

    name: str
    nodes: int
    parts: tuple[str, ...]
    selection: Selection
    limits: conformance.Limits


def prove(plan: Plan, report: Callable[[str], None]) -> Path:
    """Start, prove, end; returns the folder with the evidence. Raises what start.start and installation.image raise."""
    folder = runs.new_folder(f"proof-{plan.name}")
    evidence = Evidence(*records.describe(), machine())
    archives = (*installation.images(GATEWAY_CHOICES[0]), demo_archive(shop.SHOP.glob("*.yaml")))
    began = time.monotonic()
    layout = start.start(start.Options(plan.name, plan.nodes, archives=archives), report)
    try:
        found = record.named(plan.name)
        hosts = [host.name for host in layout.hosts if host.is_node]
        before = {host: node_state.read(layout, host) for host in hosts}
        installation.install(found, GATEWAY_CHOICES[0], report)
        seconds = f"{time.monotonic() - began:.1f} s"
        evidence.parts.append(START)
        evidence.figure(Figure(START, "of the cluster until DNS answers on each node, images at hand", seconds), report)
        subject = Subject(found, evidence, report)
        subject.settle()
        for part in plan.parts:
            _run_part(subject, plan, part, before)
            save(folder / FILE, evidence)
    finally:
        stop.stop(layout)
        save(folder / FILE, evidence)
    return folder


def _run_part(subject: Subject, plan: Plan, part: str, before: dict[str, dict[str, str]]) -> None:
    subject.report(f"-- {part}")
    subject.evidence.parts.append(part)
    try:
        if part in PLAIN_PARTS:
            PLAIN_PARTS[part](subject)
        elif part in TRAFFIC_PARTS:
            with_traffic(subject, part, TRAFFIC_PARTS[part])
        elif part == "shop":
            shop.apply(subject.record, subject.kubectl)
            prove_shop(subject, part)
        elif part == "gateway":
            with_traffic(subject, part, gateway.run, lambda: gateway.targets(subject))
        elif part == "suite":
            _run_suite(subject, plan)
        else:
            releases.uninstall(subject, before)
    except FAULTS as error:
        subject.check(part, "the part as a whole", f"{type(error).__name__}: {error}", ok=False)


def with_traffic(
    subject: Subject,
    part: str,
    act: Callable[[Subject, Traffic], None],
    targets: Callable[[], tuple[str, ...]] = tuple,
) -> None:
    """Run clients and servers meanwhile, also to more targets; afterwards the shop must be as before."""
    traffic = Traffic(subject.layout, subject.kubectl)
    traffic.start(targets)
    try:
        act(subject, traffic)
    finally:
        traffic.stop()
    if subject.has_shop:
        prove_shop(subject, part)


def prove_shop(subject: Subject, part: str) -> None:
    """Check each allow and each deny of the shop."""
    lines = shop.prove(subject.kubectl)
    subject.check(part, "the shop's allows and denies then", shop.summary(lines), all(line.ok for line in lines))


def _run_suite(subject: Subject, plan: Plan) -> None:
    done = suite.run(subject.record, plan.selection, plan.limits)
    subject.evidence.suites.append(str(done.folder))
    failed = [result.name for result in done.results if result.is_surprise]
    subject.check("suite", "sig-network tests", counts(done.results), not failed)


def evidence_of(folders: Sequence[Path]) -> Evidence:
    """What a finished proof has seen, or several of parts. Raises ValueError for another folder."""
    found = []
    for folder in folders:
        try:
            found.append(load(folder / FILE))
        except (OSError, msgspec.MsgspecError) as error:
            raise ValueError(f"{folder}: no folder of a proof: {error}; proofs are in {folder.parent}") from error
    return joined(found)


def write_page(folders: Sequence[Path]) -> None:
    """Write the page of a finished proof, or of several of parts. Raises ValueError for another folder."""
    evidence = evidence_of(folders)
    _, lines = records.load(map(Path, evidence.suites))
    known = tables.load(suite.KNOWN)
    ran = {line.name for line in lines}
    DOCUMENT.write_text(page.whole(evidence, programs.release(), judge(sorted(ran), lines, known)))


def machine() -> str:
    """The machine in words, and how busy it is: figures depend on that."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {memory:.0f} GB, Linux {platform.release()}, load {load:.0f} when it began"
