"""Quantities such as 500m, 1Gi and 2e3. Source: k8s.io/apimachinery `pkg/api/resource/quantity.go`."""

from __future__ import annotations

import re
from decimal import Decimal

_FORM = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))([eE][+-]?\d+|[KMGTPE]i|[numkMGTPE]?)")
_BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL = {letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)}
_SMALL = {letter: Decimal(1000) ** -power for power, letter in enumerate("mun", 1)}
_UNITS = {"": Decimal(1), **_BINARY, **_DECIMAL, **_SMALL}


def parse(text: str) -> Decimal | None:
    """The number of a quantity; None where the text is none."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    unit = _UNITS.get(found[2])
    return Decimal(found[1]) * unit if unit is not None else Decimal(found[1] + found[2])
