"""What a check finds, and how serious it is."""

from __future__ import annotations

import enum

import msgspec


class Severity(enum.StrEnum):
    """Error: something has no effect or never works. Warning: likely a mistake. Info: worth to know."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Finding(msgspec.Struct, frozen=True):
    """One finding.

    Attributes:
        check: the name of the check, such as `dns-forgotten`.
        place: FILE:LINE; of live objects, object and field.
        object: kind and name.
        message: what is so.
        remedy: what to do.

    """

    check: str
    severity: Severity
    place: str
    object: str
    message: str
    remedy: str
