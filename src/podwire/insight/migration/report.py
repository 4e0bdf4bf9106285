"""What of each Ingress behaves as in ingress-nginx, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from podwire.edge.ingress.annotations.table import PREFIXES, TABLE, Support
from podwire.edge.ingress.servers import server
from podwire.insight.migration.ingresses import Written

SAME, DIFFERS, LOST = "same", "differs", "lost"


class Line(msgspec.Struct, frozen=True):
    """One annotation or path.

    Attributes:
        place: FILE:LINE.
        ingress: namespace/name.
        what: the annotation with its value, or host and path.
        verdict: same, differs or lost (it has no effect).
        note: how it differs, or why it is lost and what to do.

    """

    place: str
    ingress: str
    what: str
    verdict: str
    note: str = ""


class Report(msgspec.Struct, frozen=True):
    """All lines, in the order of the files."""

    lines: tuple[Line, ...]

    def count(self, verdict: str) -> int:
        """Return how many lines have a verdict."""
        return sum(one.verdict == verdict for one in self.lines)


def report(found: Iterable[Written]) -> Report:
    """Return the verdicts on all annotations and paths."""
    found = tuple(found)
    lines = [line for one in found for line in (*_paths(one, found), *_annotations(one))]
    return Report(tuple(lines))


def text(report: Report) -> str:
    """Return the report to read: what is lost and what differs has its reason below it."""
    shown = []
    for line in report.lines:
        shown.append(f"{line.place}  {line.verdict:<8}{line.ingress}  {line.what}")
        if line.note:
            shown.append(f"    {line.note}")
    counts = ", ".join(f"{report.count(one)} {one}" for one in (SAME, DIFFERS, LOST))
    return "\n".join((*shown, "", counts, ""))


def _annotations(one: Written) -> Iterator[Line]:
    problems = {problem.annotation: problem.message for problem in one.claim.read.problems}
    for name, place in one.annotations.items():
        value = " ".join(one.claim.item.metadata.annotations[name].split())
        what = f"{name}: {value if len(value) <= 60 else f'{value[:57]}...'}"
        ingress = str(one.claim.item.key)
        if name in problems:
            yield Line(place, ingress, what, LOST, problems[name])
            continue
        row = TABLE[name.removeprefix(next(prefix for prefix in PREFIXES if name.startswith(prefix)))]
        yield Line(place, ingress, what, SAME if row.support is Support.EXACT else DIFFERS, row.note)


def _paths(one: Written, all_found: tuple[Written, ...]) -> Iterator[Line]:
    """A path is lost where an older Ingress has it, or it is no expression where it must be one."""
    for rule in one.claim.item.spec.rules:
        host = rule.host.lower() or "*"
        made = server(host, (other.claim for other in all_found if host in other.claim.hosts))
        refused = [entry.message for entry in made.refused if entry.ingress == one.claim.item.key]
        for path in rule.http.paths if rule.http else ():
            note = next((message for message in refused if f"path {path.path or '/'}" in message), "")
            what = f"{host}{path.path or '/'} ({path.path_type})"
            yield Line(one.place, str(one.claim.item.key), what, LOST if note else SAME, note)


def json(report: Report) -> str:
    """Return the report as JSON."""
    return msgspec.json.format(msgspec.json.encode(report)).decode() + "\n"
