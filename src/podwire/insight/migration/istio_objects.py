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
from podwire.mesh.istio.other_kinds import GROUP_SUFFIX, instead
from podwire.mesh.istio.surroundings import surroundings
from podwire.mesh.istio.table import path_of, path_text, written_fields
from podwire.mesh.istio.written import Converted

SECURITY = "security.istio.io"
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
    """All lines in the order of the files, the objects, and whether access control is other than written."""

    lines: tuple[Line, ...]
    objects: tuple[dict[str, Any], ...]
    loses_access_control: bool = False

    def count(self, verdict: str) -> int:
        """Return how many lines have a verdict."""
        return sum(one.verdict == verdict for one in self.lines)


def migration(manifests: Iterable[Manifest]) -> Migration:
    """Return what the objects of Istio become. Raises ManifestError where there is none, or one has no name."""
    every = tuple(manifests)
    found = [one for one in every if one.kind[0].endswith(GROUP_SUFFIX)]
    if not found:
        raise ManifestError(
            "there is no object of security.istio.io or networking.istio.io in these files: name others"
        )
    for one in found:
        metadata = one.value.get("metadata")
        if not isinstance(metadata, dict) or not metadata.get("name"):
            raise ManifestError(f"{one.field(('metadata',))}: metadata of this {one.kind[1]} has no name: add it")
    around = surroundings(one.value for one in every)
    lines: list[Line] = []
    objects: list[dict[str, Any]] = []
    is_closed = False
    for one in found:
        if not conversion.is_read(*one.kind):
            lines.append(Line(one.place, _name(one), "spec", LOST, instead(one.kind[1])))
            continue
        made = conversion.converted(one.kind[1], one.value, around)
        objects += made.objects
        own = tuple(_lines(one, made))
        is_closed |= one.kind[0] == SECURITY and any(line.verdict == LOST for line in own)
        lines += own
    return Migration(tuple(lines), tuple(objects), is_closed)


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


def _lines(one: Manifest, made: Converted) -> Iterator[Line]:
    lost, differs = dict(made.lost), dict(made.differs)
    for path, row in written_fields(one.kind[1], one.value):
        field = path_text(path)
        if field in lost:
            verdict, note = LOST, lost.pop(field)
        elif _is_below(field, lost):
            continue
        elif field in differs:
            verdict, note = DIFFERS, differs.pop(field)
        else:
            verdict, note = _VERDICTS[row.support], row.note
        if not _is_around(field, (*lost, *differs)):
            yield Line(one.field(path), _name(one), field, verdict, note)
    for verdict, left in ((DIFFERS, differs), (LOST, lost)):
        for field, note in left.items():
            yield Line(one.field(path_of(field)), _name(one), field, verdict, note)


def _name(one: Manifest) -> str:
    metadata = one.value.get("metadata") or {}
    return f"{one.kind[1]} {metadata.get('namespace') or 'default'}/{metadata.get('name', '')}"


def _is_below(field: str, paths: Iterable[str]) -> bool:
    return any(field.startswith((f"{one}.", f"{one}[")) for one in paths)


def _is_around(field: str, paths: Iterable[str]) -> bool:
    """Whether a field has parts with lines of their own."""
    return any(_is_below(one, (field,)) for one in paths)
