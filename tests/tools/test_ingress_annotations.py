"""docs/reference/ingress-annotations.md is what the table of annotations says."""

from __future__ import annotations

from tools import ingress_annotations


def test_the_page_is_up_to_date() -> None:
    shown = ingress_annotations.TARGET.read_text()
    assert shown == ingress_annotations.page(), "run: python -m tools.ingress_annotations"
