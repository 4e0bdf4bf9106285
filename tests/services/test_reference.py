"""Numbers in the reference pages are those of the code."""

import re
from pathlib import Path

from podwire.services.slots import MOST_AFFINE_BACKENDS, MOST_BACKENDS
from podwire.services.word import TIMEOUTS

PAGES = Path(__file__).parents[2] / "docs/reference"


def test_the_timeouts_of_session_affinity_are_listed() -> None:
    chapter = (PAGES / "services.md").read_text().partition("## Timeouts of session affinity")[2].partition("\n## ")[0]
    listed = re.sub(r"\(.*?\)", "", chapter.partition(": ")[2])
    assert tuple(map(int, re.findall(r"\d+", listed))) == TIMEOUTS


def test_the_limits_of_endpoints_are_named() -> None:
    text = (PAGES / "agent.md").read_text()
    assert f"{MOST_BACKENDS:,}, with session affinity {MOST_AFFINE_BACKENDS}" in text
