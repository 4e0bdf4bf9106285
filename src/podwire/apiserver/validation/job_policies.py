"""Policies of a Job: failures of pods, success, replacement.

Source: k8s.io/kubernetes `pkg/apis/batch/validation` validatePodFailurePolicy, validateSuccessPolicy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

MOST_RULES = 20
MOST_EXIT_CODES = 255
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")


class IndexListError(ValueError):
    """A text does not list indexes of a Job."""


def validate(spec: Field) -> Iterator[Cause]:
    """Check the policies in the spec of a Job."""
    failures, success, replacement = spec["podFailurePolicy"], spec["successPolicy"], spec["podReplacementPolicy"]
    if failures.given:
        yield from _failures(spec, failures["rules"])
    if success.given and spec["completionMode"].text != "Indexed":
        yield success.invalid("requires indexed completion mode")
    elif success.given:
        yield from _success(spec, success["rules"])
    if replacement.given:
        allowed = ("Failed",) if failures.given else ("Failed", "TerminatingOrFailed")
        if replacement.value not in allowed:
            yield replacement.unsupported(allowed)


def _failures(spec: Field, rules: Field) -> Iterator[Cause]:
    if len(rules) > MOST_RULES:
        yield field_errors.too_many(rules.path, len(rules), MOST_RULES)
    pod = spec["template"]["spec"]
    names = {container["name"].text for part in ("containers", "initContainers") for container in pod[part]}
    for rule in rules:
        action, codes, conditions = rule["action"], rule["onExitCodes"], rule["onPodConditions"]
        if not action:
            yield action.required('valid values: ["Count" "FailIndex" "FailJob" "Ignore"]')
        elif action.text == "FailIndex" and not spec["backoffLimitPerIndex"].given:
            yield action.invalid("requires the backoffLimitPerIndex to be set")
        elif action.value not in ACTIONS:
            yield action.unsupported(ACTIONS)
        if codes.given:
            yield from _exit_codes(codes, names)
        for pattern in conditions:
            yield from pattern["type"].invalid_each(formats.label_key(pattern["type"].text))
            if pattern["status"].value not in {"True", "False", "Unknown"}:
                yield pattern["status"].unsupported(("False", "True", "Unknown"))
        if codes.given and conditions:
            yield _whole(rule, "specifying both OnExitCodes and OnPodConditions is not supported")
        if not codes.given and not conditions:
            yield _whole(rule, "specifying one of OnExitCodes and OnPodConditions is required")


def _exit_codes(codes: Field, names: set[str]) -> Iterator[Cause]:
    operator, values, container = codes["operator"], codes["values"], codes["containerName"]
    if not operator:
        yield operator.required('valid values: ["In" "NotIn"]')
    elif operator.value not in {"In", "NotIn"}:
        yield operator.unsupported(("In", "NotIn"))
    if container.given and container.text not in names:
        yield container.invalid("must be one of the container or initContainer names in the pod template")
    if not values:
        yield field_errors.invalid(values.path, values.value or [], "at least one value is required")
    elif len(values) > MOST_EXIT_CODES:
        yield field_errors.too_many(values.path, len(values), MOST_EXIT_CODES)
    seen: set[int] = set()
    for value in values:
        if operator.text == "In" and value.number == 0:
            yield value.invalid("must not be 0 for the In operator")
        if value.number in seen:
            yield value.duplicate()
        seen.add(value.number)
    if list(values.value or ()) != sorted(values.value or ()):
        yield values.invalid("must be ordered")


def _success(spec: Field, rules: Field) -> Iterator[Cause]:
    if not rules:
        yield rules.required("at least one rules must be specified when the successPolicy is specified")
    if len(rules) > MOST_RULES:
        yield field_errors.too_many(rules.path, len(rules), MOST_RULES)
    completions = spec["completions"].number
    for rule in rules:
        count, indexes = rule["succeededCount"], rule["succeededIndexes"]
        if not count.given and not indexes.given:
            yield rule.required("at least one of succeededCount or succeededIndexes must be specified")
        listed = 0
        if indexes.given:
            try:
                listed = _count(indexes.text, completions)
            except IndexListError as error:
                yield indexes.invalid(f"error parsing succeededIndexes: {error}")
        if count.given:
            yield from _succeeded(count, completions, listed if indexes.given else None)


def _succeeded(count: Field, completions: int, listed: int | None) -> Iterator[Cause]:
    yield from count.not_negative()
    if count.number > completions:
        yield count.invalid(f"must be less than or equal to {completions} (the number of specified completions)")
    if listed is not None and count.number > listed:
        yield count.invalid(
            f"must be less than or equal to {listed} (the number of indexes in the specified succeededIndexes field)"
        )


def _count(text: str, completions: int) -> int:
    """Return how many indexes a text such as `0,2-4` lists; raises IndexListError."""
    total, last = 0, -1
    for part in text.split(",") if text else ():
        first, _, end = part.partition("-")
        low, high = _index(first, completions), _index(end or first, completions)
        if low <= last or (end and low >= high):
            before = max(last, low)
            raise IndexListError(f"non-increasing order, previous: {before}, current: {low if low <= last else high}")
        total, last = total + high - low + 1, high
    return total


def _index(text: str, completions: int) -> int:
    if not text.isascii() or not text.isdigit():
        raise IndexListError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise IndexListError(f'too large index: "{text}"')
    return int(text)


def _whole(rule: Field, detail: str) -> Cause:
    """A cause that does not show the value, as upstream omits it here."""
    return field_errors.Cause(rule.path, "FieldValueInvalid", f"Invalid value: {detail}")
