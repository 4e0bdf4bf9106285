"""Which pods an AuthorizationPolicy of Istio is for, where it names targets in place of pods. Pure.

Istio applies such a policy at a waypoint, besides those of pods. Here all policies of a pod are one set, so that one
that allows could open what another one closes: it is written as it is only where no other one can be for its pods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podwire.kube.meta import NamespacedName
from podwire.mesh.istio.surroundings import Surroundings, Written, is_root

Labels = Mapping[str, str]


def references(spec: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the targets that a policy names."""
    one = spec.get("targetRef")
    return (*((one,) if one else ()), *(spec.get("targetRefs") or ()))


def pods_of(target: Mapping[str, Any], namespace: str, around: Surroundings) -> Labels | None:
    """Return the labels of the pods of a target; None where it is no Service of these files."""
    if target.get("kind") != "Service" or target.get("group") not in (None, "", "core"):
        return None
    return around.selector_of(NamespacedName(str(target.get("namespace") or namespace), str(target.get("name", ""))))


def is_alone(source: Written, pods: Labels, around: Surroundings) -> bool:
    """Whether no other policy that allows can be for these pods, but those with this one target."""
    namespace = _namespace(source)
    for other in around.policies:
        spec = other.get("spec") or {}
        is_same_place = is_root(other) or is_root(source) or _namespace(other) == namespace
        if not is_same_place or spec.get("action", "ALLOW") != "ALLOW":
            continue
        if any(found != pods and _can_meet(found, pods) for found in _selections(other, around)):
            return False
        if not references(spec) and any(_can_meet(found, pods) for found in _selections(other, around)):
            return False
    return True


def _selections(policy: Written, around: Surroundings) -> Iterator[Labels]:
    spec = policy.get("spec") or {}
    named = references(spec)
    if not named:
        yield (spec.get("selector") or {}).get("matchLabels") or {}
    for one in named:
        yield pods_of(one, _namespace(policy), around) or {}


def _can_meet(one: Labels, other: Labels) -> bool:
    """Whether a pod can have both: they name no different values of one label."""
    return all(other.get(key, value) == value for key, value in one.items())


def _namespace(value: Written) -> str:
    return str((value.get("metadata") or {}).get("namespace") or "default")
