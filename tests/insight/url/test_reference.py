"""docs/reference/explain.md names every finding of a request."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/explain.md").read_text()


def test_every_finding_is_described() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "src/podwire/insight/url").glob("*.py"))
    emitted = set(re.findall(r'(?:[Ss]everity(?:\.[A-Z]+)?,\s*|End\(|_closed\(|_answered\()"([A-Z]\w+)"', sources))
    assert len(emitted) > 20
    findings = PAGE.partition("### Findings of a request")[2].partition("\n#")[0]
    rows = re.findall(r"^\| (`.*?) \|", findings, re.MULTILINE)
    assert {name for row in rows for name in re.findall("`(.*?)`", row)} == emitted
