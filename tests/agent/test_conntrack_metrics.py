from pathlib import Path

import pytest

from podwire.agent import conntrack_metrics
from podwire.agent.conntrack_metrics import ConntrackState, of_conntrack, totals

STATISTICS = """entries  searched found new invalid ignore delete drop insert_failed early_drop
00000010  00000000 00000000 00000000 00000000 00000000 00000000 00000002 0000000a 00000000
00000010  00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000001 00000000
"""


def test_numbers_of_all_processors_are_added() -> None:
    assert totals(STATISTICS, "drop", "insert_failed") == (3, 11)
    with pytest.raises(ValueError, match="unheard"):
        totals(STATISTICS, "unheard")


def test_the_kernels_files_are_read_and_what_it_does_not_show_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("ENTRIES", "12\n"), ("LIMIT", "65536\n"), ("STATISTICS", STATISTICS)):
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(conntrack_metrics, name, tmp_path / name)
    state = ConntrackState.read()
    assert state == ConntrackState(entries=12, limit=65536, dropped=3, insert_failed=11)
    assert [family.samples[0][1] for family in of_conntrack(state)] == [12, 65536, 3, 11]
    (tmp_path / "LIMIT").unlink()
    assert ConntrackState.read() is None
    assert [family.samples[0][1] for family in of_conntrack(None)] == [0, 0, 0, 0]
