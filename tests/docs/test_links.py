"""Links of the documentation lead to files and headings that exist, and every page is in the index."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def pages() -> list[Path]:
    """Return every page that the repository has."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listed.splitlines()]


def anchors(page: Path) -> set[str]:
    """Return the fragments of its headings, as GitHub makes them."""
    titles = (re.sub(r"\]\([^)]*\)|[`\[]", "", title) for title in HEADING.findall(page.read_text()))
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def broken(page: Path, text: str) -> list[str]:
    """Return the links of this text of a page that lead nowhere."""
    found = []
    for link in LINK.findall(re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and target.suffix == ".md" and fragment not in anchors(target)):
            found.append(f"{page.relative_to(ROOT)}: {link}")
    return found


def test_every_link_leads_somewhere() -> None:
    assert [line for page in pages() for line in broken(page, page.read_text())] == []


def test_a_link_to_nowhere_is_found() -> None:
    page = ROOT / "README.md"
    assert anchors(ROOT / "docs" / "README.md") == {"documentation", "how-to", "reference"}
    text = "[a](docs/README.md#how-to) [b](docs/README.md#nowhere) [c](nowhere.md) `[d](code.md)`"
    assert broken(page, text) == ["README.md: docs/README.md#nowhere", "README.md: nowhere.md"]


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    listed = {(ROOT / "docs" / link).resolve() for link in LINK.findall(index)}
    wanted = {page for page in pages() if page.is_relative_to(ROOT / "docs")} - {ROOT / "docs" / "README.md"}
    assert wanted - listed == set()
