"""A proof in a world of its own, which can follow its files: what did not change is neither applied nor tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.snapshot.snapshot import Snapshot, Topic
from podwire.insight.sources import reading
from podwire.insight.sources.manifests import Manifest
from podwire.insight.verify import expectation_file, stand_ins
from podwire.insight.verify.expectations import Expectation, Expectations
from podwire.insight.verify.judgement import Line
from podwire.insight.verify.known_names import check_names
from podwire.insight.verify.stand_ins import Applied
from podwire.lab.host.worlds import World

Progress = Callable[[str], None]
SETTLING_ROUNDS = 3
SETTLING_SECONDS = 0.5
"""A changed policy reaches the kernels a moment after it was written: what is wrong then is tried again."""


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

    def paths(self, usual: Sequence[str]) -> tuple[str, ...]:
        """Return the files and folders that are read."""
        return (*self.files, *self.kustomizations) if self.is_given else tuple(usual)


class Inputs(msgspec.Struct, frozen=True):
    """What the files hold."""

    expectations: Expectations
    written: tuple[Manifest, ...]
    snapshot: Snapshot

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of the manifests a world does not get."""
        omitted = stand_ins.left_out(self.written)
        missing = (f"not in the world: {', '.join(omitted)}",) if omitted else ()
        unknown = (one.text for one in self.snapshot.notes if one.topic is Topic.UNKNOWN_FIELD)
        return (*missing, *unknown)


def read(file: str, given: Manifests) -> Inputs:
    """Read a file and its manifests. Raises ExpectationError, ManifestError and PlanError."""
    desired = expectation_file.read(file)
    written = given.read(desired.files)
    snapshot = snapshot_of(written)
    check_names(desired, snapshot)
    return Inputs(desired, written, snapshot)


class Trial:
    """A world, the objects that it was given, and what was proven of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._objects: dict[str, Applied] = {}
        self._lines: dict[Expectation, Line] = {}

    def prove(self, inputs: Inputs, report: Progress) -> tuple[tuple[Line, ...], Snapshot | None]:
        """Make the world hold these objects and prove these expectations; return their lines and the world's objects.

        Raises PlanError, TrialError, UnreachableError and WorldError.
        """
        from podwire.insight.verify import filling

        stages = stand_ins.stages(inputs.written, self._world.nodes)
        objects = {one.name: one for stage in stages for one in stage}
        is_first = not self._objects
        if filling.bodies(objects) != filling.bodies(self._objects):
            self._lines.clear()
            before, self._objects = self._objects, {}  # after a failure all of it is unknown
            filling.follow(self._world, before, stages, report)
            self._objects = objects
        entries = inputs.expectations.entries
        running = self._try([one for one in entries if _anywhere(one) not in self._lines], report)
        for _ in range(0 if is_first else SETTLING_ROUNDS):
            wrong = [one for one in entries if not self._lines[_anywhere(one)].is_right]
            if not wrong or running is None:
                break
            threading.Event().wait(SETTLING_SECONDS)
            running = self._try(wrong, report)
        return tuple(msgspec.structs.replace(self._lines[_anywhere(one)], expectation=one) for one in entries), running

    def _try(self, entries: Sequence[Expectation], report: Progress) -> Snapshot | None:
        from podwire.insight.verify import proof

        if not entries:
            return None
        running, lines = proof.prove(self._world, entries, report)
        self._lines.update({_anywhere(one.expectation): one for one in lines})
        return running


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long ago that was."""
        return time.monotonic() - self._began


def _anywhere(one: Expectation) -> Expectation:
    """The connection, wherever it is written."""
    return msgspec.structs.replace(one, place="", why="")
