"""Texts that cells of many kinds share: ages, labels, selectors, containers.

Source: k8s.io/apimachinery `util/duration`, `labels`, `meta/v1` FormatLabelSelector.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podwire.apiserver.base.field_path import Field

NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
_SHOWN = 3
"""How many entries of a long list a cell shows."""


def name(obj: Field) -> str:
    """The object's name."""
    return obj["metadata"]["name"].text


def age(obj: Field, now: datetime) -> str:
    """How long ago the object was made."""
    return since(obj["metadata"]["creationTimestamp"], now)


def since(moment: Field, now: datetime) -> str:
    """How long ago a moment was; `<unknown>` where there is none."""
    return human(now - parsed(moment.text)) if moment else UNKNOWN


def parsed(moment: str) -> datetime:
    """An RFC 3339 text as a moment."""
    return datetime.fromisoformat(moment).astimezone(UTC)


def human(duration: timedelta) -> str:
    """A duration in two units at most: 45s, 3m12s, 5h, 5d, 2y30d."""
    seconds = int(duration.total_seconds())
    if seconds < -1:
        return "<invalid>"
    if seconds < 2 * _MINUTE:
        return f"{max(seconds, 0)}s"
    if seconds < 10 * _MINUTE:
        return _two(seconds, _MINUTE, "m", 1, "s")
    if seconds < 3 * _HOUR:
        return f"{seconds // _MINUTE}m"
    if seconds < 8 * _HOUR:
        return _two(seconds, _HOUR, "h", _MINUTE, "m")
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR}h"
    if seconds < 8 * _DAY:
        return _two(seconds, _DAY, "d", _HOUR, "h")
    if seconds < 2 * _YEAR:
        return f"{seconds // _DAY}d"
    if seconds < 8 * _YEAR:
        return _two(seconds, _YEAR, "y", _DAY, "d")
    return f"{seconds // _YEAR}y"


def labels(field: Field) -> str:
    """A map of labels: `a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in sorted((field.value or {}).items())) or NONE


def selector(field: Field) -> str:
    """A label selector as `kubectl -l` takes it."""
    parts = [(key, f"{key}={value}") for key, value in (field["matchLabels"].value or {}).items()]
    for line in field["matchExpressions"]:
        key, values = line["key"].text, ",".join(sorted(line["values"].value or ()))
        forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "DoesNotExist": f"!{key}"}
        parts.append((key, forms.get(line["operator"].text, key)))
    return ",".join(text for _, text in sorted(parts)) or NONE


def containers(spec: Field) -> tuple[str, str]:
    """Names and images of the containers of a pod's spec."""
    found = list(spec["containers"])
    return ",".join(entry["name"].text for entry in found), ",".join(entry["image"].text for entry in found)


def some(entries: list[str], nothing: str = UNSET) -> str:
    """The first three entries, and how many more there are."""
    shown = ",".join(entries[:_SHOWN])
    return f"{shown} + {len(entries) - _SHOWN} more..." if len(entries) > _SHOWN else shown or nothing


def condition(field: Field, kind: str) -> str:
    """The status of a condition: True, False, Unknown; empty where it is not reported."""
    return next((entry["status"].text for entry in field if entry["type"].text == kind), "")


def _two(seconds: int, unit: int, unit_name: str, part: int, part_name: str) -> str:
    whole, rest = divmod(seconds, unit)
    return f"{whole}{unit_name}{rest // part}{part_name}" if rest // part else f"{whole}{unit_name}"
