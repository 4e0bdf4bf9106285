"""Envoy's page of counters and histograms as values. Source: Prometheus, "Exposition formats" (0.0.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from podwire.mesh.telemetry.counted import PREFIX

_LINE = re.compile(rf"envoy_{PREFIX}_([a-z_]+)\{{(.*)\}} (\S+)")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
LIMIT = "le"


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One value. `tags` is the text of all tags but the bound of a bucket, which `bound` is; empty: no bucket."""

    name: str
    tags: str
    value: float
    bound: str = ""


def samples(page: str) -> Iterator[Sample]:
    """Yield the values of Envoy's golden metrics."""
    for name, text, value in _LINE.findall(page):
        tags, bucket, bound = text.partition(f',{LIMIT}="')
        yield Sample(name, tags if bucket else text, float(value), bound.rstrip('"'))


def tags(text: str) -> dict[str, str]:
    """Return the tags of a text; a value that Envoy does not have, `-`, is empty."""
    found = {name: _ESCAPED.sub(_character, value) for name, value in _LABEL.findall(text)}
    return {name: "" if value == "-" else value for name, value in found.items()}


def _character(escape: re.Match[str]) -> str:
    return "\n" if escape[1] == "n" else escape[1]
