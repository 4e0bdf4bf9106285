"""`podwire lint`: forms of output, exit status, checks that are left out."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from podwire.cli import podwire
from podwire.insight.lint.finding import Finding, Severity
from podwire.insight.lint.lint import NAMES
from podwire.insight.lint.text import to_github

SHOP = "examples/shop"


def lint(*arguments: str) -> Result:
    return CliRunner().invoke(podwire, ["lint", *arguments])


def test_findings_decide_the_exit_status_where_it_is_wanted() -> None:
    assert lint(SHOP).exit_code == 0
    assert lint(SHOP, "--fail-on", "error").exit_code == 0  # it has warnings only
    assert lint(SHOP, "--fail-on", "warning").exit_code == 1
    assert lint(SHOP, "--fail-on", "warning", "--ignore", "default-deny-missing").exit_code == 0


def test_a_check_that_does_not_exist_cannot_be_ignored() -> None:
    found = lint(SHOP, "--ignore", "dns")
    assert found.exit_code == 2
    assert "there is no such check; there are block-of-pods" in found.output


def test_output_for_programs() -> None:
    found = json.loads(lint(SHOP, "-o", "json").output)
    assert found[0]["check"] == "default-deny-missing"
    assert found[0]["place"] == "examples/shop/00-namespaces.yaml:13"


def test_annotations_have_line_and_title_and_no_command_of_their_own() -> None:
    one = Finding("x", Severity.INFO, "a,b.yaml:7", "P a::b", "50% of\n::error::it", "mend")
    assert to_github([one]) == "::notice file=a%2Cb.yaml,line=7,title=P a%3A%3Ab%3A x::50%25 of%0A::error::it%0Amend\n"


def test_annotations_of_live_objects_have_no_file() -> None:
    one = Finding("x", Severity.ERROR, "NetworkPolicy shop/a spec.ingress[0]", "P", "m", "r")
    assert to_github([one]) == "::error title=P%3A x::m%0Ar\n"


def test_the_page_has_all_checks() -> None:
    page = Path("docs/reference/lint.md").read_text()
    assert [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")] == list(NAMES)
