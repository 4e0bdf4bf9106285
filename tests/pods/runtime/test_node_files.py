import os
from pathlib import Path

import pytest

from podwire.pods.runtime import node_files
from podwire.pods.runtime.node_files import NodeFiles


@pytest.fixture
def files(tmp_path: Path) -> NodeFiles:
    found = NodeFiles(tmp_path / "state", tmp_path / "bin", tmp_path / "net.d")
    found.plugins.mkdir()
    found.configurations.mkdir()
    (found.plugins / "loopback").touch()
    return found


def content(files: NodeFiles) -> dict[str, tuple[bytes, int]]:
    """Every file of the two folders: its bytes and its mode."""
    folders = (files.plugins, files.configurations)
    return {str(one): (one.read_bytes(), one.stat().st_mode) for folder in folders for one in folder.iterdir()}


def test_files_are_placed_and_removed(files: NodeFiles) -> None:
    before = content(files)
    assert node_files.place(files) == []
    assert os.access(files.plugin, os.X_OK)
    assert files.state.stat().st_mode & 0o777 == 0o700, "its sockets and stores are for root"
    assert str(files.socket) in files.configuration.read_text()
    placed = content(files).keys() - before.keys()
    assert placed == {str(files.plugin), str(files.configuration)}, "no half files remain"
    assert node_files.remove(files) == [f"removed {files.configuration}", f"removed {files.plugin}"]
    assert content(files) == before
    assert node_files.remove(files) == []


def test_what_was_there_before_is_restored_after_several_starts(files: NodeFiles) -> None:
    files.plugin.write_text("another program of this name")
    files.plugin.chmod(0o700)
    files.configuration.write_text('{"type": "another"}')
    (files.configurations / "10-other.conflist").write_text("{}")
    before = content(files)
    node_files.place(files)
    assert files.plugin.read_bytes() != b"another program of this name"
    node_files.place(files)
    assert node_files.remove(files) == [f"restored {files.configuration}", f"restored {files.plugin}"]
    assert content(files) == before


def test_own_files_are_not_taken_for_others_when_the_state_is_lost(files: NodeFiles) -> None:
    before = content(files)
    node_files.place(files)
    files.state.rename(files.state.with_name("lost"))
    node_files.place(files)
    node_files.remove(files)
    assert content(files) == before


def test_files_of_others_are_not_removed_where_podwire_never_was(files: NodeFiles) -> None:
    files.plugin.write_text("another program of this name")
    assert node_files.remove(files) == []
    assert files.plugin.exists()


def test_a_configuration_that_runtimes_prefer_is_reported(files: NodeFiles) -> None:
    (files.configurations / "00-multus.conf").write_text("{}")
    (files.configurations / "README").write_text("not a configuration")
    assert ["00-multus.conf comes before" in line for line in node_files.place(files)] == [True]


def test_a_missing_plugin_of_the_runtime_is_reported(files: NodeFiles) -> None:
    (files.plugins / "loopback").unlink()
    assert ["loopback does not exist" in line for line in node_files.place(files)] == [True]
