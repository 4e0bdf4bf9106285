"""The answer as one page of HTML that needs nothing else: a picture that can be searched, and a table. Pure.

What comes from objects is data, never markup: the script sets it as text. The page's policy admits its own style and
script by their digests, and nothing from elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

import msgspec

from podwire.insight.reach.report import Connection, Report

_MARKER = re.compile(r"@([A-Z_]+)@")
_UNSAFE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
"""In JSON these are inside of texts only; a browser would read them as markup."""


def page(report: Report) -> str:
    """Return the page."""
    style, script = _file("page.css"), _file("page.js")
    parts = {
        "STYLE": style,
        "STYLE_HASH": _digest(style),
        "SCRIPT": script,
        "SCRIPT_HASH": _digest(script),
        "DATA": msgspec.json.encode(_data(report)).decode().translate(_UNSAFE),
    }
    return _MARKER.sub(lambda found: parts[found[1]], _file("page.html"))


def _file(name: str) -> str:
    return resources.files(__package__ or "").joinpath(name).read_text()


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _data(report: Report) -> Mapping[str, Any]:
    """Return names once, sets of them once, and connections between sets."""
    names = {one.name: number for number, one in enumerate(report.workloads)}
    sets: dict[tuple[int, ...], int] = {}

    def number(listed: tuple[str, ...]) -> int:
        found = tuple(names.setdefault(one, len(names)) for one in listed)
        return sets.setdefault(found, len(sets))

    connections = [{"from": number(one.from_), "to": number(one.to), **_words(one)} for one in report.connections]
    anyone = {name for one in report.connections if _is_free(one) for name in one.to if not name.startswith("outside")}
    return {
        "workloads": report.workloads,
        "names": list(names),
        "sets": list(sets),
        "connections": connections,
        "open": sorted(names[one] for one in anyone),
        "unreached": report.unreached,
        "notes": report.notes,
        "exposures": report.exposures,
    }


def _is_free(one: Connection) -> bool:
    """Whether anybody outside reaches it on all ports."""
    return one.ports == "any" and one.is_certain and "outside" in one.from_


def _words(one: Connection) -> dict[str, Any]:
    label = " ".join(filter(None, (one.ports, one.family and f"({one.family})", "" if one.is_certain else "?")))
    return {
        "sources": one.sources,
        "destinations": one.destinations,
        "ports": one.ports,
        "label": label,
        "list": [[line.protocol, line.ranges] for line in one.port_list],
        "family": one.family,
        "certain": one.is_certain,
    }
