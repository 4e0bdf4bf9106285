import json
from pathlib import Path

import pytest
from tools.conformance.records import begin, load


def test_runs_are_read_in_order(tmp_path: Path) -> None:
    made = []
    for name in ("1", "2"):
        folder = tmp_path / name
        folder.mkdir()
        made.append(begin(folder, f"limits {name}"))
        line = {"name": f"test {name}", "state": "passed", "seconds": 1}
        folder.joinpath("results.jsonl").write_text(json.dumps(line) + "\n")
    records, lines = load([tmp_path / "2", tmp_path / "1"])
    assert records == [made[1], made[0]]
    assert [line.name for line in lines] == ["test 2", "test 1"]
    assert made[0].limits == "limits 1"


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no folder of a run"):
        load([tmp_path])
