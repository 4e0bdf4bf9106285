"""What `podwire verify` does: read a file, prove it in a world, explain what is wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from podwire.insight.snapshot import names
from podwire.insight.snapshot.ends import EndError
from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.sources import reading
from podwire.insight.sources.manifests import Manifest, ManifestError
from podwire.insight.verify import ephemeral_world, expectation_file, stand_ins
from podwire.insight.verify.ephemeral_world import TrialError
from podwire.insight.verify.expectation_file import ExpectationError
from podwire.insight.verify.expectations import Expectations
from podwire.insight.verify.judgement import Line
from podwire.insight.verify.plan import PlanError
from podwire.insight.verify.report import Report

if TYPE_CHECKING:
    from podwire.insight.target import Choice

BAD_INPUT = (ExpectationError, ManifestError, PlanError, TrialError)
"""What is wrong with what the user wrote: one message, exit status 2."""

OWN_NAMESPACE = "kube-system/"
"""What a world has without manifests: its DNS servers."""
Progress = Callable[[str], None]


class Manifests(msgspec.Struct, frozen=True):
    """What flags name: files, folders and kustomizations; none of them is what the file of expectations names."""

    files: tuple[str, ...] = ()
    kustomizations: tuple[str, ...] = ()

    @property
    def is_given(self) -> bool:
        """Whether a flag names some."""
        return bool(self.files or self.kustomizations)

    def read(self, usual: Sequence[str]) -> tuple[Manifest, ...]:
        """Return the objects of these manifests, or of the usual ones. Raises ManifestError."""
        if self.is_given:
            return reading.read(self.files, self.kustomizations)
        return reading.read(usual)


def in_ephemeral_world(file: str, given: Manifests, report: Progress) -> Report:
    """Prove a file in a world that is made from its manifests, or the given ones, and ended.

    Raises one of BAD_INPUT and LaunchError.
    """
    began = time.monotonic()
    wanted = expectation_file.read(file)
    written = given.read(wanted.files)
    snapshot = snapshot_of(written)
    check_names(wanted, snapshot)
    report(f"starting a world of {wanted.nodes} nodes")
    with ephemeral_world.started(wanted.nodes, report) as world:
        from podwire.insight.verify import filling, proof

        filling.fill(world, stand_ins.stages(written, wanted.nodes), report)
        running, lines = proof.prove(world, wanted.entries, report)
    shown = f"an ephemeral world of {wanted.nodes} nodes"
    omitted = stand_ins.left_out(written)
    warnings = (f"not in the world: {', '.join(omitted)}",) if omitted else ()
    return Report(file, shown, explained(lines, snapshot, running), time.monotonic() - began, warnings)


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

    began = time.monotonic()
    wanted = expectation_file.read(file)
    chosen = target.choose(choice)
    if chosen.world is not None:
        shown = f"world {chosen.world.name}"
        snapshot, lines = proof.prove(chosen.world, wanted.entries, report)
    else:
        shown = f"cluster {chosen.context or chosen.credentials.server}"
        snapshot, lines = cluster_proof.prove(chosen, wanted.entries, image, report)
    return Report(file, shown, explained(lines, snapshot), time.monotonic() - began)


def check_names(wanted: Expectations, snapshot: Snapshot) -> None:
    """Raise PlanError where a name means nothing in the manifests: before a world is started for them."""
    wrong = dict.fromkeys(_unknown(wanted, snapshot))
    if wrong:
        raise PlanError("\n".join(wrong))


def explained(lines: Sequence[Line], *snapshots: Snapshot) -> tuple[Line, ...]:
    """Return the lines, the wrong ones with the answer of `podwire explain`, from the first objects that have one."""
    from podwire.insight.verify.explanation import explanation

    return tuple(
        one if one.is_right else msgspec.structs.replace(one, explanation=explanation(one.expectation, snapshots))
        for one in lines
    )


def _unknown(wanted: Expectations, snapshot: Snapshot) -> Iterator[str]:
    nodes = {f"node-{number}" for number in range(1, wanted.nodes + 1)}
    for one in wanted.entries:
        for text, is_client in ((one.source, True), (one.destination, False)):
            try:
                if text not in nodes and not text.startswith(OWN_NAMESPACE):
                    names.resolve(text, snapshot, is_client=is_client)
            except EndError as error:
                yield f"{one.place}: {error}"
