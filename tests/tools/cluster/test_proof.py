from __future__ import annotations

from pathlib import Path

import pytest
from tools.cluster.proof import evidence as evidence_file
from tools.cluster.proof import node_state, page, run
from tools.cluster.proof.evidence import Evidence, Figure
from tools.conformance.results import Outcome, Result


def seen() -> Evidence:
    found = Evidence("abc123", "2026-11-30", "2 cores", parts=["start", "shop", "upgrade", "size"])
    found.check("shop", "after the installation", "25 of 25 lines", True, lambda _: None)
    found.check("upgrade", "podwire upgrade", "1 of 900 requests lost", False, lambda _: None)
    found.figure(Figure("size", "memory", "60 MB", "80 MB"), lambda _: None)
    found.figure(Figure("start", "of the cluster", "9 s"), lambda _: None)
    return found


def test_evidence_holds_when_everything_in_it_does() -> None:
    found = seen()
    assert not found.ok
    found.checks = found.checks[:1]
    assert found.ok
    found.figure(Figure("size", "memory", "90 MB", "80 MB", ok=False), lambda _: None)
    assert not found.ok


def test_evidence_is_read_as_it_was_written(tmp_path: Path) -> None:
    evidence_file.save(tmp_path / run.FILE, seen())
    assert evidence_file.load(tmp_path / run.FILE) == seen()


def test_of_a_part_that_was_tried_again_the_last_try_and_what_earlier_ones_missed_count() -> None:
    again = Evidence("def456", "2026-11-30", "2 cores", parts=["upgrade"])
    again.check("upgrade", "podwire upgrade --to-revision 1", "0 of 900 requests lost", True, lambda _: None)
    joined = evidence_file.joined([seen(), again])
    assert not joined.ok
    assert joined.commit == "abc123, def456"
    assert [(check.name, check.ok) for check in joined.checks] == [
        ("after the installation", True),
        ("podwire upgrade (one of 2 tries)", False),
        ("podwire upgrade --to-revision 1", True),
    ]
    assert [figure.part for figure in joined.figures] == ["start", "size"]


def test_another_folder_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no folder of a proof"):
        run.evidence_of([tmp_path])


def test_the_page_has_each_part_each_figure_and_the_counts_of_the_suite() -> None:
    results = [
        Result("[sig-network] DNS should work [Conformance]", Outcome.PASSED),
        Result("[sig-network] Netpol NetworkPolicy should deny", Outcome.FAILED, "why"),
        Result("[sig-network] Windows", Outcome.NOT_APPLICABLE, "Windows nodes"),
    ]
    text = page.whole(seen(), "v1.37.2", results)
    assert "| after the installation | 25 of 25 lines | reached |" in text
    assert "| podwire upgrade | 1 of 900 requests lost | **missed** |" in text
    assert "| size: memory | 60 MB | 80 MB | reached |" in text
    assert "| start: of the cluster | 9 s | reported |  |" in text
    assert "| [sig-network] [Conformance] | 1 passed |" in text
    assert "| [sig-network] NetworkPolicies | 1 failed |" in text


def test_differences_of_a_node_name_the_section_and_the_side() -> None:
    before = {"links": "1: lo\n2: eth0", "files": "a"}
    after = {"links": "1: lo\n2: eth0\n3: pw1", "files": ""}
    assert node_state.differences(before, after) == ["links: + 3: pw1", "files: - a"]
    assert node_state.differences(before, before) == []
