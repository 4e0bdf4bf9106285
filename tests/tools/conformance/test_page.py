from tools.conformance.page import counts, group, groups, part, table, whole
from tools.conformance.records import Record
from tools.conformance.results import Outcome, Result

RESULTS = [
    Result("[sig-network] DNS a [Conformance]", Outcome.PASSED),
    Result("[sig-network] Services b", Outcome.FAILED, "timed | out"),
    Result("[sig-network] Services c", Outcome.NOT_APPLICABLE, "no cloud"),
    Result("[sig-apps] Job d [Conformance]", Outcome.FAILED, "no Job"),
    Result("[sig-apps] Job e [Conformance]", Outcome.PASSED),
    Result("Something f [Conformance]", Outcome.EXPECTED_FAILURE, "not built yet"),
]


def test_groups_are_named_by_their_tag() -> None:
    assert group("[sig-api-machinery] x") == "sig-api-machinery"
    assert group("x [sig-network]") == "other"


def test_counts_name_what_there_is() -> None:
    assert counts(RESULTS) == "2 passed, 2 failed, 1 failed, as expected, 1 not applicable"
    assert counts([]) == "none"


def test_cells_cannot_break_the_table() -> None:
    assert table(("a",), [("x | <b>",)]).splitlines()[-1] == "| x \\| &lt;b> |"


def test_conformance_tests_are_counted_by_group() -> None:
    lines = groups(RESULTS).splitlines()
    assert lines[2].startswith("| other | 1 | 0 | 0 | 1 |")
    assert lines[3].startswith("| sig-apps | 2 | 1 | 1 |")
    assert lines[4].startswith("| sig-network | 1 | 1 | 0 |")


def test_the_page_has_each_network_test_and_what_did_not_pass_elsewhere() -> None:
    runs = [Record("abc", "2026-11-29", "at most 240 s a test"), Record("def", "2026-11-30", "at most 60 s a test")]
    text = whole("v1.37.2", runs, RESULTS)
    assert "| DNS a [Conformance] | passed |  |" in text
    assert "| Services b | failed | timed \\| out |" in text
    assert "| Services c | not applicable | no cloud |" in text
    assert "| [sig-apps] Job d [Conformance] | failed | no Job |" in text
    assert "Job e" not in text
    assert "v1.37.2" in text
    assert "abc on 2026-11-29 (at most 240 s a test); def on 2026-11-30" in text
    assert "{" not in text


def test_a_part_has_failures_first() -> None:
    lines = part(RESULTS).splitlines()
    assert "failed" in lines[2]
    assert lines[-1] == counts(RESULTS)
