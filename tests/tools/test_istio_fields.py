"""docs/reference/istio.md is what the table of fields says."""

from __future__ import annotations

from tools import istio_fields


def test_the_page_is_up_to_date() -> None:
    shown = istio_fields.TARGET.read_text()
    assert shown == istio_fields.page(), "run: python -m tools.istio_fields"
