"""Messages that GitHub shows at a line of a file. Pure.

Source: docs.github.com "Workflow commands for GitHub Actions".
"""

from __future__ import annotations


def annotation(level: str, place: str, title: str, message: str) -> str:
    """Return the command for a message at FILE:LINE, or at no line for other places.

    `level` is error, warning or notice.
    """
    file, colon, line = place.rpartition(":")
    where = f"file={_property(file)},line={line}," if colon and line.isdigit() else ""
    return f"::{level} {where}title={_property(title)}::{_data(message)}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
