"""Objects of a revision of git: a file, a folder, from a folder below; what is no revision."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from podwire.insight.sources import reading
from podwire.insight.sources.manifests import ManifestError

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one commit, after which a file has changed."""
    (tmp_path / "deploy" / "more").mkdir(parents=True)
    (tmp_path / "deploy" / "a.yaml").write_text(POD.replace("NAME", "old"))
    (tmp_path / "deploy" / "more" / "b.yaml").write_text(POD.replace("NAME", "below"))
    (tmp_path / "deploy" / "notes.txt").write_text("none")
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "one")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    (tmp_path / "deploy" / "a.yaml").write_text(POD.replace("NAME", "new"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(name: str, *, is_recursive: bool = False) -> list[tuple[str, str]]:
    return [(one.place, one.value["metadata"]["name"]) for one in reading.read([name], is_recursive=is_recursive)]


@pytest.mark.usefixtures("repository")
def test_files_are_as_they_were() -> None:
    assert found("HEAD:deploy/a.yaml") == [("HEAD:deploy/a.yaml:1", "old")]
    assert found("HEAD:deploy") == found("HEAD:deploy/") == found("HEAD:deploy/a.yaml")
    assert found("deploy/a.yaml") == [("deploy/a.yaml:1", "new")]


@pytest.mark.usefixtures("repository")
def test_folders_in_folders_where_they_are_wanted() -> None:
    assert [name for _, name in found("HEAD:deploy", is_recursive=True)] == ["old", "below"]
    assert [name for _, name in found("HEAD:", is_recursive=True)] == ["old", "below"]


def test_a_path_is_one_of_the_current_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository / "deploy")
    assert found("HEAD:a.yaml") == found("HEAD:./a.yaml") == [("HEAD:a.yaml:1", "old")]
    assert found("HEAD:../deploy/a.yaml") == [("HEAD:a.yaml:1", "old")]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("name", ["absent:deploy", "HEAD:absent", "HEAD:../..", "--help:deploy", ":deploy"])
def test_what_is_no_revision_is_one_error(name: str) -> None:
    with pytest.raises(ManifestError, match=f"^{name}: "):
        reading.read([name])
