"""The schema that editors read is that of the fields, and the example of the shop follows it."""

import json
from pathlib import Path

from podwire.insight.verify import expectation_file
from podwire.insight.verify.expectations import schema

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "docs/reference/podwire-expectations.schema.json"


def test_the_shipped_schema_is_current() -> None:
    assert json.loads(SHIPPED.read_text()) == schema(), f"run: podwire verify --schema > {SHIPPED.relative_to(ROOT)}"


def test_the_shop_names_it_and_expects_denials() -> None:
    example = ROOT / "examples/shop/reach.yaml"
    line = next(one for one in example.read_text().splitlines() if "$schema=" in one)
    assert (example.parent / line.partition("$schema=")[2]).resolve() == SHIPPED
    assert expectation_file.read(str(example)).can_fail
