"""What a killed test process left is swept; what lives, is kept, or is not podwire's stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from podwire.testing import folders

MAKES_ONE = """
import sys
from podwire.testing import folders
made = folders.make()
(made.path / "state").mkdir()
(made.path / "state" / "key").write_text("secret")
print(made.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_the_folder_of_a_killed_process_is_swept_and_not_before() -> None:
    words = [sys.executable, "-c", MAKES_ONE]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        left = Path(other.stdout.readline().strip())
        assert folders.sweep() == []
        assert (left / "state" / "key").exists()
        other.send_signal(signal.SIGKILL)
        other.wait(60)
        assert folders.sweep() == [left]
    assert not left.exists()


def test_a_removed_folder_is_gone() -> None:
    made = folders.make()
    (made.path / "kubeconfig").touch()
    made.remove()
    assert not made.path.exists()


def test_a_kept_folder_is_not_swept() -> None:
    made = folders.make()
    made.keep()
    assert folders.sweep() == []
    assert made.path.is_dir()


def test_folders_without_the_mark_and_links_are_not_swept(tmp_path: Path) -> None:
    (tmp_path / "podwire-notes").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / folders.MARK).touch()
    (tmp_path / "podwire-link").symlink_to(elsewhere)
    (tmp_path / "podwire-marked").mkdir()
    (tmp_path / "podwire-marked" / folders.MARK).touch()
    assert folders.sweep() == [tmp_path / "podwire-marked"]
    assert (elsewhere / folders.MARK).exists()
    assert (tmp_path / "podwire-notes").is_dir()


def test_another_users_folder_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders.is_own(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert not folders.is_own(tmp_path)


def test_what_cannot_be_removed_stays_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    made = folders.make()
    (made.path / "state").mkdir()
    with monkeypatch.context() as stuck:
        stuck.setattr("shutil.rmtree", lambda *_, **__: None)
        folders.clear(made.path)
    assert (made.path / folders.MARK).exists()
    made.remove()
    assert not made.path.exists()
