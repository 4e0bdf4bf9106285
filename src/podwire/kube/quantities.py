"""Quantities such as 500m, 1Gi and 2e3. Source: k8s.io/apimachinery `pkg/api/resource/quantity.go`."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

PATTERN = r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE]?)"

LARGEST = Decimal(2**63 - 1)

_SMALLEST = Decimal("1e-9")
_LONGEST_EXPONENT = 4
"""Characters, the sign among them."""

_FORM = re.compile(PATTERN)
_LETTERS = "KMGTPE"
_SUFFIXES = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate(_LETTERS, 1)}
_UNITS = {suffix: Decimal(1000) ** (power - 3) for power, suffix in enumerate(_SUFFIXES)} | _BINARY


def parse(text: str) -> Decimal | None:
    """Return the number of a quantity, None for a text that is none."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    unit = _UNITS.get(found[2])
    return _bounded(Decimal(found[1]) * unit if unit is not None else _with_exponent(Decimal(found[1]), found[2][1:]))


def _with_exponent(mantissa: Decimal, exponent: str) -> Decimal:
    """Return mantissa * 10^exponent; what is out of reach of a quantity becomes too large or the smallest part."""
    far = len(exponent) > _LONGEST_EXPONENT
    if not mantissa or not far:
        return mantissa.scaleb(0 if far else int(exponent))
    return (_SMALLEST if exponent.startswith("-") else LARGEST).copy_sign(mantissa)


def _bounded(amount: Decimal) -> Decimal:
    """Return the nearest number that a quantity can be: larger ones are capped, as in Go."""
    return max(-LARGEST, min(LARGEST, amount))


def number(value: str | float) -> Decimal:
    """Return the number of a quantity as JSON has it, 0 for what is none."""
    return parse(str(value)) or Decimal(0)


def canonical(value: str | float) -> str:
    """Return the form in which Go prints a quantity: the largest unit that leaves an integer, rounded up to nanos."""
    text, amount = str(value), number(value)
    if text.endswith("i") and abs(amount) >= 1024:
        return _binary(int(amount.to_integral_value(ROUND_CEILING)))
    return _decimal(int((amount * 10**9).to_integral_value(ROUND_CEILING)), exponents="e" in text or "E" in text[:-1])


def _binary(whole: int) -> str:
    power = 0
    while power < len(_LETTERS) and whole % 1024 == 0:
        whole, power = whole // 1024, power + 1
    return f"{whole}{_LETTERS[power - 1]}i" if power else str(whole)


def _decimal(nanos: int, *, exponents: bool) -> str:
    if nanos == 0:
        return "0"
    power = 0
    while power < len(_SUFFIXES) - 1 and nanos % 1000 == 0:
        nanos, power = nanos // 1000, power + 1
    if exponents:
        return str(nanos) if power == 3 else f"{nanos}e{3 * (power - 3)}"
    return f"{nanos}{_SUFFIXES[power]}"
