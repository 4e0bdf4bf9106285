"""The status of a Job: a change that contradicts the Job, or what its status was, is refused.

Source: k8s.io/kubernetes `pkg/apis/batch/validation` ValidateJobStatusUpdate, and `pkg/registry/batch/job/strategy.go`
getStatusValidationOptions: most fields are checked only when they, or what they must agree with, change, so that
an update of other fields passes whatever was stored before.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from podwire.apiserver.base import field_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

_COUNTS = ("active", "succeeded", "failed", "ready", "terminating")
_COMPLETE, _FAILED, _CRITERIA, _TARGET = "Complete", "Failed", "SuccessCriteriaMet", "FailureTarget"


class _Change(msgspec.Struct, frozen=True):
    """A Job's spec with its status after and before a write."""

    spec: Field
    now: Field
    before: Field

    def any(self, *names: str) -> bool:
        """Whether one of these fields of the status differs."""
        return any(self.now[name].value != self.before[name].value for name in names)

    def became(self, *types: str) -> bool:
        """Whether one of these conditions was set or removed."""
        return any(_is(self.now, name) != _is(self.before, name) for name in types)

    @property
    def finished_changed(self) -> bool:
        """Whether the Job was not finished before and is now, or the reverse."""
        return _finished(self.now) != _finished(self.before)


def validate(obj: Field, old: Field) -> Iterator[Cause]:
    """Check the status of a Job against its spec, and against the status that it replaces."""
    change = _Change(obj["spec"], obj["status"], old["status"])
    for name in _COUNTS:
        yield from change.now[name].not_negative()
    yield from _uncounted(change.now["uncountedTerminatedPods"])
    yield from _contradictions(change)
    yield from _times(change)
    yield from _finished_counts(change)
    yield from _indexes(change)
    yield from _transitions(change)


def _is(status: Field, name: str, desired: str = "True") -> bool:
    return any(one["type"].text == name and one["status"].text == desired for one in status["conditions"])


def _finished(status: Field) -> bool:
    return _is(status, _COMPLETE) or _is(status, _FAILED)


def _uncounted(pods: Field) -> Iterator[Cause]:
    seen: set[str] = set()
    for uid in [*pods["succeeded"], *pods["failed"]]:
        if not uid:
            yield uid.invalid("must not be empty")
        elif uid.text in seen:
            yield uid.duplicate()
        seen.add(uid.text)


def _contradictions(change: _Change) -> Iterator[Cause]:
    """Refuse conditions that cannot be true together, and final ones without the one that announces them."""
    complete, failed, criteria, target = (_is(change.now, name) for name in (_COMPLETE, _FAILED, _CRITERIA, _TARGET))
    if complete and failed and change.became(_COMPLETE, _FAILED):
        yield _wrong("cannot set Complete=True and Failed=true conditions")
    if complete and target and change.became(_COMPLETE, _TARGET):
        yield _wrong("cannot set Complete=True and FailureTarget=true conditions")
    if failed and not target and (change.became(_FAILED) or change.any("failedIndexes")):
        yield _wrong("cannot set Failed=True condition without the FailureTarget=true condition")
    if complete and not criteria and change.became(_COMPLETE, _CRITERIA):
        yield _wrong("cannot set Complete=True condition without the SuccessCriteriaMet=true condition")
    if criteria and failed:
        yield _wrong("cannot set SuccessCriteriaMet=True and Failed=true conditions")
    if criteria and target:
        yield _wrong("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")
    if change.spec["successPolicy"].given and complete and not criteria:
        yield _wrong("cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True")


def _times(change: _Change) -> Iterator[Cause]:
    started, ended = change.now["startTime"], change.now["completionTime"]
    complete = _is(change.now, _COMPLETE)
    if change.became(_COMPLETE) or change.any("completionTime"):
        if ended.given and not complete:
            yield ended.invalid("cannot set completionTime when there is no Complete=True condition")
        if complete and not ended.given:
            yield ended.required("completionTime is required for Complete jobs")
    if change.any("startTime", "completionTime") and _precedes(ended, started):
        yield ended.invalid("must be equal to or after `startTime`")
    empty = change.spec["suspend"].value is True and change.spec["completions"].value == 0
    if (change.finished_changed or change.any("startTime")) and not empty and _finished(change.now):
        yield from () if started.given else (started.required("startTime is required for finished job"),)


def _precedes(one: Field, other: Field) -> bool:
    return one.given and other.given and datetime.fromisoformat(one.text) < datetime.fromisoformat(other.text)


def _finished_counts(change: _Change) -> Iterator[Cause]:
    """Refuse pods that run, end or are to be counted still when the Job is finished."""
    active, terminating = change.now["active"], change.now["terminating"]
    pods = change.now["uncountedTerminatedPods"]
    changed, finished = change.finished_changed, _finished(change.now)
    if finished and active.number > 0 and (changed or change.any("active")):
        yield active.invalid("active>0 is invalid for finished job")
    if finished and (pods["succeeded"] or pods["failed"]) and (changed or change.any("uncountedTerminatedPods")):
        yield pods.invalid("must be empty for finished job")
    if finished and terminating.number > 0 and (changed or change.any("terminating")):
        yield terminating.invalid("terminating>0 is invalid for finished job")
    ready = change.now["ready"]
    if ready.given and ready.number > active.number and change.any("ready", "active"):
        yield ready.invalid("cannot set more ready pods than active")


def _indexes(change: _Change) -> Iterator[Cause]:
    completed, failed = change.now["completedIndexes"], change.now["failedIndexes"]
    completions, per_index = change.spec["completions"], change.spec["backoffLimitPerIndex"].given
    if change.any("completedIndexes"):
        if completions.given:
            yield from _format(completed, completions.number)
        if completed and change.spec["completionMode"].text != "Indexed":
            yield completed.invalid("cannot set non-empty completedIndexes when non-indexed completion mode")
    if change.any("failedIndexes") and failed.given:
        if completions.given and per_index:
            yield from _format(failed, completions.number)
        if not per_index:
            yield failed.invalid("cannot set non-null failedIndexes when backoffLimitPerIndex is null")
    if change.any("failedIndexes", "completedIndexes") and completions.given:
        common = _first_common(completed.text, failed.text, completions.number)
        if common is not None:
            yield failed.invalid(f"failedIndexes and completedIndexes overlap at index: {common}")


def _transitions(change: _Change) -> Iterator[Cause]:
    """Refuse what goes back: final conditions, counters, and times once they are set."""
    now, before, spec = change.now, change.before, change.spec
    for name in (_FAILED, _COMPLETE, _TARGET):
        if _is(before, name) and not _is(now, name):
            yield _wrong(f"cannot disable the terminal {name}=True condition")
    if now["failed"].number < before["failed"].number:
        yield _number(now["failed"], "cannot decrease the failed counter")
    scalable = spec["completionMode"].text == "Indexed" and spec["completions"].value == spec["parallelism"].value
    if not scalable and now["succeeded"].number < before["succeeded"].number:
        yield _number(now["succeeded"], "cannot decrease the succeeded counter")
    if now["completionTime"].given and before["completionTime"].given and change.any("completionTime"):
        yield now["completionTime"].invalid("field is immutable")
    resuming = _is(before, "Suspended") and _is(now, "Suspended", "False")
    if before["startTime"].given and change.any("startTime") and not resuming and not spec["suspend"].value:
        yield now["startTime"].invalid("field is immutable for unsuspended job once set")
    if _is(before, _CRITERIA) and not _is(now, _CRITERIA):
        yield _wrong("cannot disable the SuccessCriteriaMet=True condition")
    if _is(before, _COMPLETE) and not _is(before, _CRITERIA) and _is(now, _CRITERIA):
        yield _wrong("cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions")


def _format(indexes: Field, completions: int) -> Iterator[Cause]:
    """Check a text such as 0,2-4: each number below the completions, and above the one before."""
    last: int | None = None
    for text in indexes.text.split(",") if indexes else ():
        interval = _interval(text, completions)
        wrong = interval if isinstance(interval, str) else None
        if not isinstance(interval, str):
            if last is not None and last >= interval[0]:
                wrong = f"non-increasing order, previous: {last}, current: {interval[0]}"
            last = interval[1]
        if wrong is not None:
            yield indexes.invalid(f"error parsing {indexes.step}: {wrong}")
            return


def _interval(text: str, completions: int) -> tuple[int, int] | str:
    """Return the first and last index of 3 or 3-5, or what is wrong with it."""
    parts = text.split("-")
    if len(parts) > 2:
        rule = "an index interval can have at most two parts separated by '-'"
        return f"the fragment {json.dumps(text)} violates the requirement that {rule}"
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) < 19):
            return f"cannot convert string to integer for index: {json.dumps(part)}"
        if int(part) >= completions:
            return f"too large index: {json.dumps(part)}"
    first, last = int(parts[0]), int(parts[-1])
    if len(parts) > 1 and first >= last:
        return f"non-increasing order, previous: {first}, current: {last}"
    return first, last


def _first_common(completed: str, failed: str, completions: int) -> int | None:
    """Return an index that is in both texts; intervals that cannot be read are left to the check of their format."""
    if not completed or not failed:
        return None
    left, right = ([_interval(text, completions) for text in one.split(",")] for one in (completed, failed))
    ones = iter([one for one in left if not isinstance(one, str)])
    others = iter([one for one in right if not isinstance(one, str)])
    one, other = next(ones, None), next(others, None)
    while one is not None and other is not None:
        if one[0] <= other[1] and other[0] <= one[1]:
            return max(one[0], other[0])
        if one[0] <= other[0]:
            one = next(ones, None)
        else:
            other = next(others, None)
    return None


def _number(count: Field, detail: str) -> Cause:
    return field_errors.invalid(count.path, count.number, detail)


def _wrong(detail: str) -> Cause:
    """A cause without a value, as conditions are too long to repeat."""
    return field_errors.Cause("status.conditions", "FieldValueInvalid", f"Invalid value: {detail}")
