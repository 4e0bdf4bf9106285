"""Nodes. Source: k8s.io/kubernetes `pkg/apis/core/validation` ValidateNode, ValidateNodeUpdate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats
from podwire.apiserver.validation import compute_resources, scheduling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

_NO_CHANGE = 'node updates may not change podCIDR except from "" to valid'


def validate(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a Node."""
    ranges = obj["spec"]["podCIDRs"]
    yield from _taints(obj["spec"]["taints"])
    yield from status(obj["status"])
    for network in ranges:
        yield from network.invalid_each(formats.network(network.text))
    families = [":" in str(network.value) for network in ranges]
    if len(families) != len(set(families)):
        yield ranges.invalid("may specify no more than one CIDR for each IP family")
    if old is not None:
        yield from _update(obj["spec"], old["spec"])


def status(state: Field) -> Iterator[Cause]:
    """Check what a node reports of itself: amounts and addresses."""
    for part in ("capacity", "allocatable"):
        for name in state[part].value or {}:
            yield from compute_resources.amount(name, state[part][name])
    seen: list[object] = []
    for address in state["addresses"]:
        if address.value in seen:
            yield field_errors.duplicate(address.path, address.value)
        seen.append(address.value)


def _update(spec: Field, old: Field) -> Iterator[Cause]:
    if old["podCIDRs"] and spec["podCIDRs"].value != old["podCIDRs"].value:
        yield spec["podCIDRs"].forbidden(_NO_CHANGE)
    provider, held = spec["providerID"], old["providerID"]
    if held and provider.value != held.value:
        detail = "field cannot be modified once set" if provider else "field cannot be cleared once set"
        yield field_errors.invalid(provider.path, None, detail)


def _taints(taints: Field) -> Iterator[Cause]:
    """Check taints; their paths are those that upstream reports."""
    unique: set[tuple[str, str]] = set()
    for position, taint in enumerate(taints):
        path = f"metadata.taints[{position}]"
        key, value, effect = taint["key"].text, taint["value"].text, taint["effect"].text
        yield from (field_errors.invalid(f"{path}.key", key, text) for text in formats.label_key(key))
        if wrong := formats.label_value(value):
            yield field_errors.invalid(f"{path}.value", value, ";".join(wrong))
        if not effect:
            yield field_errors.required(f"{path}.effect")
        elif effect not in scheduling.TAINT_EFFECTS:
            yield field_errors.unsupported(f"{path}.effect", effect, scheduling.TAINT_EFFECTS)
        if (key, effect) in unique:
            repeated = field_errors.duplicate(path, taint.value)
            detail = f"{repeated.message}: taints must be unique by key and effect pair"
            yield field_errors.Cause(path, repeated.reason, detail)
        unique.add((key, effect))
