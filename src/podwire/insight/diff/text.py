"""The text of a difference, and its Markdown as a comment of a review. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podwire.insight.diff.report import ConnectionLine, Effect, EntryLine, Report
from podwire.lab.base.text_columns import table

SHOWN = 8
"""Names in one cell; more are counted, and all are in JSON."""
MOST_ROWS = 100
"""Rows of one table in Markdown: a comment has an end."""
_HEADS = {Effect.OPENED: "OPENED", Effect.CLOSED: "CLOSED"}


def text(report: Report) -> str:
    """Return the difference for a reader."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"{report.old} -> {report.new}: {summary(report)}"
    for effect, head in _HEADS.items():
        rows = [_connection(one) for one in report.connections if one.effect is effect]
        if rows:
            yield ""
            yield head
            yield from _indented(table([("TO", "FROM", "PORTS", ""), *rows]))
    if report.entries:
        yield ""
        yield "SERVICES AND ROUTES"
        rows = [(one.effect, f"{one.kind} {one.name}", one.entry, one.target, one.place) for one in report.entries]
        yield from _indented(table([("", "OBJECT", "ENTRY", "LEADS TO", "PLACE"), *rows]))
    if report.objects:
        yield ""
        yield "OBJECTS"
        yield from _indented(table([(one.change, one.kind, one.name, one.place) for one in report.objects]))
    if report.notes:
        yield ""
        yield "NOTES"
        yield from _indented(report.notes)


def summary(report: Report) -> str:
    """Return what has changed, in a few words."""
    if not report.connections and not report.entries:
        return "no connection is opened or closed"
    parts = []
    for effect in _HEADS:
        pairs = sum(len(one.sources) * len(one.destinations) for one in report.connections if one.effect is effect)
        ways = sum(one.effect is effect for one in report.entries)
        counted = [_counted(pairs, "connection"), _counted(ways, "entry")]
        parts.append(f"{' and '.join(filter(None, counted)) or 'nothing'} {effect}")
    return ", ".join(parts)


def _counted(number: int, word: str) -> str:
    if not number:
        return ""
    return f"{number} {word if number == 1 else f'{word[:-1]}ies' if word.endswith('y') else f'{word}s'}"


def _connection(one: ConnectionLine) -> tuple[str, ...]:
    doubt = "" if one.is_certain else "it depends on addresses"
    return _names(one.destinations), _names(one.sources), one.ports, ", ".join(filter(None, (one.family, doubt)))


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def markdown(report: Report) -> str:
    """Return the difference as a comment of a review."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: Report) -> Iterator[str]:
    yield f"### Network: {summary(report)}"
    yield ""
    yield f"`{report.old}` → `{report.new}`"
    for effect, sign in ((Effect.OPENED, "🔓 Opened"), (Effect.CLOSED, "🔒 Closed")):
        rows = [_connection(one) for one in report.connections if one.effect is effect]
        yield from _section(sign, ("To", "From", "Ports", ""), rows)
    yield from _section("Services and routes", ("", "Object", "Entry", "Leads to"), list(map(_entry, report.entries)))
    if report.objects:
        yield ""
        yield f"<details><summary>{_counted(len(report.objects), 'object')} changed</summary>"
        yield ""
        yield from (f"- {one.change} {one.kind} `{one.name}`{_at(one.place)}" for one in report.objects[:MOST_ROWS])
        yield ""
        yield "</details>"
    for note in report.notes:
        yield ""
        yield f"> {_escaped(note)}"


def _entry(one: EntryLine) -> tuple[str, ...]:
    return one.effect, f"{one.kind} {one.name}{_at(one.place)}", one.entry, one.target


def _at(place: str) -> str:
    return f" ({place})" if place else ""


def _section(head: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield f"#### {head}"
    yield ""
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows[:MOST_ROWS]:
        yield f"| {' | '.join(map(_escaped, row))} |"
    if len(rows) > MOST_ROWS:
        yield ""
        yield f"and {len(rows) - MOST_ROWS} more"


def _escaped(text_: str) -> str:
    """Return text that Markdown shows as it is: names of objects may not, but hosts and paths may have signs."""
    for sign in "\\`*_<>|[]":
        text_ = text_.replace(sign, f"\\{sign}")
    return text_


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {one}" for one in lines]
