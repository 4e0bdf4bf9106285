"""Shares of which policies allow no connection. Pure."""

from __future__ import annotations

import msgspec

from podwire.insight.url.backend_lines import NO_ENDPOINT
from podwire.insight.url.connections import Connection
from podwire.insight.url.report import BackendLine

REFUSED = 403


def reached(line: BackendLine, found: tuple[Connection, ...]) -> BackendLine:
    """Return a share with its status, where none of the connections to its endpoints is allowed."""
    if not found or any(one.is_allowed for one in found):
        return line
    refused = all(one.verdict.allowed and one.mesh is not None and one.mesh.status for one in found)
    return msgspec.structs.replace(line, status=REFUSED if refused else NO_ENDPOINT, is_cut_off=True)
