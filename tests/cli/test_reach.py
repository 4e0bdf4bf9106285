"""`podwire reach`: forms of output, and files that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podwire.cli import podwire

SHOP = "examples/shop"


def reach(*arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(podwire, ["reach", *arguments], input=given)


def test_the_shop_is_what_its_page_says() -> None:
    page = Path("docs/reference/reach.md").read_text()
    shown = reach(SHOP)
    assert shown.exit_code == 0
    assert "".join(f"    {line}\n" for line in shown.output.splitlines()) in page


def test_output_for_programs() -> None:
    found = json.loads(reach(SHOP, "-o", "json").output)
    pairs = {(source, to): one["ports"] for one in found["connections"] for source in one["from"] for to in one["to"]}
    assert pairs["shop/frontend", "shop/backend"] == "TCP 8080"
    assert ("shop/frontend", "shop/database") not in pairs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a: b\nc: "d" e\n', "standard input:2: no YAML"),
        ("a: {{ .Values.b }}", "standard input:1: this is a template, not YAML: render it first"),
        ("a: b", "standard input:1: an object needs apiVersion and kind: add them"),
    ],
)
def test_files_that_are_wrong_are_one_message(text: str, message: str) -> None:
    found = reach("-", given=text)
    assert found.exit_code == 2
    assert message in found.output


def test_unknown_kinds_are_listed() -> None:
    text = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\n"
    found = reach("-", given=text)
    assert found.exit_code == 0
    assert "not read: 1 of Widget.example.com (standard input:1)" in found.output
