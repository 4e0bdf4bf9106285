"""Whether files changed: any of a folder, once they rest."""

import threading
from pathlib import Path

from podwire.insight.verify import watching


def test_a_changed_and_a_new_and_a_removed_file_are_another_state(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("1")
    states = [watching.state([str(tmp_path)])]
    file.write_text("22")
    states.append(watching.state([str(tmp_path)]))
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b.yaml").write_text("1")
    states.append(watching.state([str(tmp_path)]))
    file.unlink()
    states.append(watching.state([str(tmp_path), str(file)]))
    assert len(set(states)) == 4
    assert watching.state([str(tmp_path)]) == states[-1]


def test_it_waits_for_a_change(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("1")
    known = watching.state([str(file)])
    looked = threading.Event()

    def paths() -> list[str]:
        looked.set()
        return [str(file)]

    def change() -> None:
        looked.wait(60)
        file.write_text("22")

    thread = threading.Thread(target=change)
    thread.start()
    found = watching.next_state(paths, known)
    thread.join()
    assert found == watching.state([str(file)]) != known
