"""A Corefile in a file: what it imports is read, and nothing else of its folder."""

import os
from pathlib import Path

import pytest

from podwire.dns.corefile.configuration import configuration
from podwire.dns.corefile.tokens import LARGEST_TEXT, CorefileError
from podwire.dns.corefile_source import read_file


def test_only_what_is_imported_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTRA", "extra")
    (tmp_path / "Corefile").write_text("import *.server\n. {\nimport {$EXTRA}\n}\n")
    (tmp_path / "a.server").write_text("a.test {\nimport /etc/coredns/deep\n}\n")
    for name in ("deep", "extra"):
        (tmp_path / name).write_text("errors\n")
    other = tmp_path / "store.db"
    other.write_text("large")
    os.mkfifo(tmp_path / "pipe.server")  # to read it would take for ever
    found = read_file(tmp_path / "Corefile")
    assert found[1].keys() == {"a.server", "deep", "extra"}
    assert len(configuration(*_arguments(found)).blocks) == 2
    other.write_text("larger")
    assert read_file(tmp_path / "Corefile") == found, "a change of another file is none of the Corefile"
    (tmp_path / "deep").write_text("log\n")
    assert read_file(tmp_path / "Corefile") != found


def _arguments(found: tuple[str, dict[str, str]]) -> tuple[str, int, dict[str, str], dict[str, str]]:
    return found[0], 53, found[1], {"EXTRA": "extra"}


def test_one_that_is_too_large_is_an_error_and_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "Corefile").open("w") as file:
        file.truncate(1 << 36)
    text, files = read_file(tmp_path / "Corefile")
    assert len(text) == LARGEST_TEXT + 1
    with pytest.raises(CorefileError, match="must have at most"):
        configuration(text, 53, files)
