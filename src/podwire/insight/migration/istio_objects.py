"""What objects of Istio become here, field by field, and the objects that do the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from podwire.insight.migration.report import DIFFERS, LOST, SAME
from podwire.insight.sources.manifests import Manifest, ManifestError
from podwire.kube import yaml_output
from podwire.mesh.istio import conversion
from podwire.mesh.istio.field import Support
from podwire.mesh.istio.table import path_text, written_fields

_VERDICTS = {Support.EXACT: SAME, Support.DIFFERS: DIFFERS, Support.REFUSED: LOST}


class Line(msgspec.Struct, frozen=True):
    """One field, or something that is lost as a whole.

    Attributes:
        place: FILE:LINE.
        object: kind, namespace and name.
        field: its path.
        verdict: same, differs or lost.
        note: how it differs, or why it is lost and what to do.

    """

    place: str
    object: str
    field: str
    verdict: str
    note: str = ""


class Migration(msgspec.Struct, frozen=True):
    """All lines in the order of the files, and the objects."""

    lines: tuple[Line, ...]
    objects: tuple[dict[str, Any], ...]

    def count(self, verdict: str) -> int:
        """Return how many lines have a verdict."""
        return sum(one.verdict == verdict for one in self.lines)


def migration(manifests: Iterable[Manifest]) -> Migration:
    """Return what the objects of Istio become. Raises ManifestError where there is none."""
    found = [one for one in manifests if conversion.is_read(*one.kind)]
    if not found:
        raise ManifestError(
            "there is no object of security.istio.io or networking.istio.io in these files: name others"
        )
    lines: list[Line] = []
    objects: list[dict[str, Any]] = []
    for one in found:
        made = conversion.converted(one.kind[1], one.value)
        objects += made.objects
        lines += _lines(one, made.lost)
    return Migration(tuple(lines), tuple(objects))


def text(found: Migration) -> str:
    """Return the report to read: what is lost and what differs has its reason below it."""
    shown = []
    for line in found.lines:
        shown.append(f"{line.place}  {line.verdict:<8}{line.object}  {line.field}")
        if line.note:
            shown.append(f"    {line.note}")
    counts = ", ".join(f"{found.count(one)} {one}" for one in (SAME, DIFFERS, LOST))
    return "\n".join((*shown, "", counts, ""))


def json(found: Migration) -> str:
    """Return the report as JSON."""
    return msgspec.json.format(msgspec.json.encode(found.lines)).decode() + "\n"


def objects(found: Migration) -> str:
    """Return the objects as YAML; what they do not have is before them as comments."""
    lost = [f"# {one.place}: {one.object} {one.field}: {one.note}\n" for one in found.lines if one.verdict == LOST]
    return "".join(lost) + yaml_output.blocks(found.objects)


def _lines(one: Manifest, lost: Iterable[tuple[str, str]]) -> Iterator[Line]:
    metadata = one.value.get("metadata") or {}
    name = f"{one.kind[1]} {metadata.get('namespace') or 'default'}/{metadata.get('name', '')}"
    by_field = dict(lost)
    for path, row in written_fields(one.kind[1], one.value):
        field = path_text(path)
        place = one.document.place((*one.within, *path))
        reason = by_field.pop(field, "")
        verdict = LOST if reason else _VERDICTS[row.support]
        yield Line(place, name, field, verdict, reason or row.note)
    for field, reason in by_field.items():
        yield Line(one.place, name, field, LOST, reason)
