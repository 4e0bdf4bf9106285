"""The text of the mesh's part of an explanation. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.insight.mesh_policies.report import MeshLine, MeshWord

SHOWN = 12
"""Policies that are not applicable; more are counted, and all are in JSON."""


def mesh_lines(line: MeshLine, *, cited: bool) -> Iterator[str]:
    """Yield the lines; `cited`: places are lines of files."""
    yield f"mesh: {line.verdict} ({line.text})"
    names = f"{line.client_identity or 'no known identity'} -> {line.server_identity}"
    yield f"  {line.transport}, {names}"
    applying = [one for one in line.policies if one.word is not MeshWord.NOT_APPLICABLE]
    others = [one for one in line.policies if one.word is MeshWord.NOT_APPLICABLE]
    for one in (*applying, *others[:SHOWN]):
        place = f" ({one.place})" if cited else ""
        yield f"  {one.word:<14}  {one.policy}: {one.text}{place}"
    if len(others) > SHOWN:
        yield f"  and {len(others) - SHOWN} more that are not applicable"
