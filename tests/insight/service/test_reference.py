"""docs/reference/explain.md names every finding and every reason."""

import re
from pathlib import Path

from podwire.insight.service.report import Access
from podwire.kube.backend_choice import Reason

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/explain.md").read_text()


def test_every_finding_is_described() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "src/podwire/insight/service").glob("*.py"))
    emitted = set(re.findall(r'Severity\.[^"]*?,\s*"([A-Z]\w+)"', sources))
    assert len(emitted) > 20
    findings = PAGE.partition("\n### Findings of a Service\n")[2].partition("\n##")[0]
    described = {
        name for row in re.findall(r"^\| (`.*?) \|", findings, re.MULTILINE) for name in re.findall("`(.*?)`", row)
    }
    assert described == emitted


def test_every_reason_and_way_of_access_is_described() -> None:
    for word in (*Access, *Reason):
        assert word is Reason.USED or f"`{word}`" in PAGE
