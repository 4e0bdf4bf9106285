"""Write docs/reference/kubernetes-api.md from tools/api_checklist.toml and the marks of the tests.

`python -m tools.api_checklist [--check]`. A test, a class or a module (`pytestmark`) claims items of the list with
`@pytest.mark.proves("item-id", ...)`; an item that nothing claims is shown as not proven.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "tools" / "api_checklist.toml"
TARGET = ROOT / "docs" / "reference" / "kubernetes-api.md"

INTRO = """\
# The Kubernetes API that a world serves

The embedded API server behaves as Kubernetes 1.37. This page lists what works, each line proven by the tests behind its
links, and what differs from upstream and why. It is made from those tests by `python -m tools.api_checklist`; a test
keeps it true.

An acknowledged write survives kill -9 of the server: every write is in SQLite's log before it is answered.
See also [the wire](wire.md), [workloads](workloads.md), [server-side apply](server-side-apply.md),
[NetworkPolicy](networkpolicy.md), [DNS](dns.md) and [stand-ins](stand-ins.md)."""


class ChecklistError(Exception):
    """The list and the marks do not fit; says where."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the list, under a name that tests use."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Area:
    """Items that belong together."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as upstream has it, and why."""

    area: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Checklist:
    """The whole list."""

    areas: tuple[Area, ...]
    differences: tuple[Difference, ...]

    @property
    def ids(self) -> frozenset[str]:
        """Names of all items."""
        return frozenset(item.id for area in self.areas for item in area.items)


@dataclass(frozen=True, slots=True)
class Claim:
    """A test's mark: the item, and where the mark is."""

    item: str
    file: str
    line: int


def parse(text: str) -> Checklist:
    """The list that a TOML text holds; ChecklistError for an id that is there twice."""
    content = tomllib.loads(text)
    areas = tuple(
        Area(area["title"], tuple(Item(name, line) for name, line in area["items"].items())) for area in content["area"]
    )
    names = [item.id for area in areas for item in area.items]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ChecklistError(f"{SOURCE.name}: ids that are there twice: {', '.join(twice)}")
    return Checklist(areas, tuple(Difference(**difference) for difference in content["difference"]))


def claims(file: str, text: str) -> Iterator[Claim]:
    """The marks in one test file, wherever they stand; ChecklistError if not plain text."""
    for node in ast.walk(ast.parse(text, file)):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.proves"):
            continue
        for argument in node.args:
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                raise ChecklistError(f"{file}:{node.lineno}: an item's id must be plain text")
            yield Claim(argument.value, file, argument.lineno)


def all_claims(tests: Path) -> list[Claim]:
    """The marks of every test below a folder, by file."""
    files = sorted(tests.rglob("*.py"))
    return [
        claim
        for file in files
        if "node_modules" not in file.parts
        for claim in claims(str(file.relative_to(tests.parent)), file.read_text())
    ]


def proofs(checklist: Checklist, claimed: list[Claim]) -> dict[str, tuple[str, ...]]:
    """The files that prove each item; ChecklistError names each mark of an item that is not in the list."""
    if unknown := [claim for claim in claimed if claim.item not in checklist.ids]:
        lines = (f'{claim.file}:{claim.line}: no item "{claim.item}" in {SOURCE.name}' for claim in unknown)
        raise ChecklistError("\n".join(lines))
    files: dict[str, dict[str, None]] = {}
    for claim in claimed:
        files.setdefault(claim.item, {})[claim.file] = None
    return {item: tuple(named) for item, named in files.items()}


def link(file: str) -> str:
    """A test file as the page shows it: its name, leading to it."""
    return f"[{Path(file).stem.removeprefix('test_')}](../../{file})"


def works(area: Area, proven: Mapping[str, tuple[str, ...]]) -> str:
    """The ticked items of an area; empty when there is none."""
    ticked = [item for item in area.items if item.id in proven]
    lines = [f"- [x] {item.text} — {', '.join(map(link, proven[item.id]))}" for item in ticked]
    return "\n".join([f"### {area.title}\n", *lines]) if lines else ""


def open_items(checklist: Checklist, proven: Mapping[str, tuple[str, ...]]) -> str:
    """What no test proves; empty when everything is proven."""
    lines = [
        f"- [ ] {area.title}: {item.text}" for area in checklist.areas for item in area.items if item.id not in proven
    ]
    return "\n".join(["## Not proven\n\nNo test says that these work: some may be there.\n", *lines]) if lines else ""


def differs(differences: tuple[Difference, ...]) -> str:
    """The table of what is not as upstream has it."""
    rows = [f"| {difference.area} | {difference.what} | {difference.why} |" for difference in differences]
    return "\n".join(["## Differs\n", "| area | difference | why |", "|---|---|---|", *rows])


def page(checklist: Checklist, claimed: list[Claim]) -> str:
    """The whole page."""
    proven = proofs(checklist, claimed)
    parts = [
        INTRO,
        f"## Works\n\n{len(proven)} of {len(checklist.ids)} lines are proven.",
        *(works(area, proven) for area in checklist.areas),
        open_items(checklist, proven),
        differs(checklist.differences),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def current_page() -> str:
    """The page as the list and the tests in this folder have it."""
    return page(parse(SOURCE.read_text()), all_claims(ROOT / "tests"))


def main(arguments: list[str]) -> int:
    """Write the page, or with --check say whether it is up to date."""
    try:
        text = current_page()
    except ChecklistError as error:
        print(error, file=sys.stderr)
        return 1
    if "--check" in arguments:
        return 0 if TARGET.read_text() == text else 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
