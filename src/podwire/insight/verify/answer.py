"""What `podwire verify` does: read a file, prove it in a world, explain what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

import msgspec

from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.sources.manifests import ManifestError
from podwire.insight.verify import ephemeral_world, expectation_file, trial, watching
from podwire.insight.verify.ephemeral_world import TrialError
from podwire.insight.verify.expectation_file import ExpectationError
from podwire.insight.verify.judgement import Line
from podwire.insight.verify.plan import PlanError
from podwire.insight.verify.report import Report
from podwire.insight.verify.trial import Clock, Inputs, Manifests, Trial

if TYPE_CHECKING:
    from podwire.insight.target import Choice

BAD_INPUT = (ExpectationError, ManifestError, PlanError, TrialError)
"""What is wrong with what the user wrote: one message, exit status 2."""

Progress = Callable[[str], None]


def in_ephemeral_world(file: str, given: Manifests, report: Progress) -> Report:
    """Prove a file in a world that is made from its manifests, or the given ones, and ended.

    Raises one of BAD_INPUT and LaunchError.
    """
    clock = Clock()
    inputs = trial.read(file, given)
    report(f"starting a world of {inputs.expectations.nodes} nodes")
    with ephemeral_world.started(inputs.expectations.nodes, report) as world:
        lines, running = Trial(world).prove(inputs, report)
    return _report(inputs, lines, running, clock)


def watch(
    file: str, given: Manifests, report: Progress, show: Callable[[Report], None], fail: Callable[[str], None]
) -> NoReturn:
    """Prove a file in a world of its own, and again whenever it or its manifests change, until an interrupt.

    `show` gets each report, `fail` the message of each state of the files that cannot be tried. Raises one of BAD_INPUT
    for the first state, and LaunchError.
    """
    inputs = trial.read(file, given)
    report(f"starting a world of {inputs.expectations.nodes} nodes")

    def paths() -> tuple[str, ...]:
        return (file, *given.paths(inputs.expectations.files))

    with ephemeral_world.started(inputs.expectations.nodes, report) as world:
        running, known = Trial(world), watching.state(paths())
        while True:
            clock = Clock()
            try:
                inputs = trial.read(file, given)
                show(_report(inputs, *running.prove(inputs, report), clock))
            except BAD_INPUT as error:
                fail(str(error))
            known = watching.next_state(paths, known)


def generated(file: str, given: Manifests) -> str:
    """Return the text of a file of this name, from what policies of manifests allow. Raises ManifestError."""
    from podwire.insight.verify import generate

    folder = os.path.dirname(file) or "."
    return generate.text(snapshot_of(given.read((folder,))), given.files or (folder,), file)


def live(file: str, choice: Choice, image: str, report: Progress) -> Report:
    """Prove a file in a running world or on a cluster, as it is. `image` is for ephemeral containers of a cluster.

    Raises one of BAD_INPUT, UnreachableError and WorldError.
    """
    from podwire.insight import target
    from podwire.insight.verify import cluster_proof, proof

    clock = Clock()
    desired = expectation_file.read(file)
    chosen = target.choose(choice)
    if chosen.world is not None:
        shown = f"world {chosen.world.name}"
        snapshot, lines = proof.prove(chosen.world, desired.entries, report)
    else:
        shown = f"cluster {chosen.context or chosen.credentials.server}"
        snapshot, lines = cluster_proof.prove(chosen, desired.entries, image, report)
    return Report(file, shown, explained(lines, snapshot), clock.seconds)


def explained(lines: Sequence[Line], *snapshots: Snapshot) -> tuple[Line, ...]:
    """Return the lines, the wrong ones with the answer of `podwire explain`, from the first objects that have one."""
    from podwire.insight.verify.explanation import explanation

    return tuple(
        one if one.is_right else msgspec.structs.replace(one, explanation=explanation(one.expectation, snapshots))
        for one in lines
    )


def _report(inputs: Inputs, lines: Sequence[Line], running: Snapshot | None, clock: Clock) -> Report:
    shown = f"an ephemeral world of {inputs.expectations.nodes} nodes"
    objects = (inputs.snapshot, running) if running is not None else (inputs.snapshot,)
    return Report(inputs.expectations.path, shown, explained(lines, *objects), clock.seconds, inputs.warnings)
