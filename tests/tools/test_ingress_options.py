"""docs/reference/ingress-options.md is what the table of options says."""

from __future__ import annotations

from tools import ingress_options


def test_the_page_is_up_to_date() -> None:
    shown = ingress_options.TARGET.read_text()
    assert shown == ingress_options.page(), "run: python -m tools.ingress_options"
