import re

import pytest
from tools.conformance.__main__ import arguments
from tools.conformance.selection import Selection

NAMES = [
    "[sig-apps] Job should run [Conformance]",
    "[sig-apps] Job should be slow",
    "[sig-network] DNS should resolve",
    "[sig-network] Services should work [Conformance]",
]


def test_all_of_the_network_and_the_conformance_tests_of_others_are_selected() -> None:
    assert Selection().of(NAMES) == [NAMES[0], NAMES[2], NAMES[3]]
    assert Selection().is_whole


def test_focus_and_skip_select_a_part() -> None:
    assert Selection(focus="DNS|Services").of(NAMES) == NAMES[2:]
    assert Selection(focus="sig-network", skip=r"\[Conformance\]").of(NAMES) == [NAMES[2]]
    assert not Selection(focus="DNS").is_whole
    assert not Selection(skip="DNS").is_whole


def test_what_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(re.error):
        Selection(focus="(").of(NAMES)


def test_the_command_line_has_usable_defaults() -> None:
    chosen = arguments(["--focus", "DNS"])
    assert (chosen.focus, chosen.skip, chosen.kubeconfig) == ("DNS", "", None)
    assert chosen.procs >= 1
