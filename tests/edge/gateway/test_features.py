"""The features that the class claims."""

from __future__ import annotations

import re
from pathlib import Path

from podwire.edge.gateway.features import EXPERIMENTAL, FEATURES, supported

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "gateway-conformance.md"


def test_names_are_those_of_the_suite() -> None:
    """The page has a line for each feature of the suite: `| HTTPRouteCORS | extended | 1 of 1 | |`."""
    known = set(re.findall(r"^\| ([A-Z]\w+) \| (?:core|extended)", PAGE.read_text(), re.MULTILINE))
    assert known
    assert set(supported(experimental=True)) <= known


def test_features_are_sorted_and_the_standard_channel_has_no_experimental_ones() -> None:
    everything = supported(experimental=True)
    assert list(everything) == sorted(set(everything))
    assert set(everything) - set(supported(experimental=False)) == set(EXPERIMENTAL)
    assert list(FEATURES) == sorted(FEATURES)
