"""podwire diff: what it takes, its exit status, and what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podwire.cli import podwire

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME, labels: {app: NAME}}\n---\n"
POLICY = (
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: b}\n"
    "spec: {podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: {matchLabels: {app: a}}}], "
    "ports: [{port: PORT}]}]}\n"
)
PODS = POD.replace("NAME", "a") + POD.replace("NAME", "b")


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(podwire, ["diff", *arguments], input=text)


@pytest.fixture
def states(tmp_path: Path) -> tuple[str, str]:
    """A state without policies and one where only a port is open, so that connections are closed and none is opened."""
    (tmp_path / "old.yaml").write_text(PODS)
    (tmp_path / "new.yaml").write_text(PODS + POLICY.replace("PORT", "80"))
    return str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")


@pytest.mark.parametrize(
    ("fail_on", "there", "back"), [("opened", 0, 1), ("closed", 1, 0), ("any", 1, 1), ("none", 0, 0)]
)
def test_the_exit_status_is_that_of_the_effect(states: tuple[str, str], fail_on: str, there: int, back: int) -> None:
    old, new = states
    assert run(old, new, "--fail-on", fail_on).exit_code == there
    assert run(new, old, "--fail-on", fail_on).exit_code == back
    assert run(old, old, "--fail-on", "any").exit_code == 0


def test_json_has_the_ports_for_programs(states: tuple[str, str]) -> None:
    found = json.loads(run(*reversed(states), "-o", "json").output)
    line = next(one for one in found["connections"] if one["sources"] == ["default/a"])
    assert (line["effect"], line["destinations"]) == ("opened", ["default/b"])
    tcp = next(one for one in line["portList"] if one["protocol"] == "TCP")
    assert tcp["ranges"] == [[1, 79], [81, 65535]]
    assert [(one["change"], one["kind"]) for one in found["objects"]] == [("removed", "NetworkPolicy")]


def test_standard_input_is_one_of_the_states(states: tuple[str, str]) -> None:
    old, new = states
    piped = run(old, "-", text=Path(new).read_text()).output
    assert piped.partition(": ")[2].splitlines()[:6] == run(old, new).output.partition(": ")[2].splitlines()[:6]
    both = run("-", "-", text="")
    assert both.exit_code == 2
    assert "standard input is one of them" in both.output


def test_a_folder_with_a_kustomization_is_rendered(tmp_path: Path, states: tuple[str, str]) -> None:
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "all.yaml").write_text(Path(states[1]).read_text())
    (overlay / "kustomization.yaml").write_text("resources: [all.yaml]\nnamespace: default\n")
    assert "no connection is opened or closed" in run(states[1], str(overlay)).output


@pytest.mark.parametrize(
    ("old", "error"), [("absent", "no such file or folder"), ("HEAD~999999:x", "no revision of git")]
)
def test_a_state_that_cannot_be_read_is_one_message(states: tuple[str, str], old: str, error: str) -> None:
    result = run(old, states[1])
    assert result.exit_code == 2
    assert error in result.output


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one commit with a file `new.yaml` and a kustomization `old`; afterwards a folder is new."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "kustomization.yaml").write_text("resources: [all.yaml]\n")
    for file in ("new.yaml", "old/all.yaml"):
        (tmp_path / file).write_text(PODS + POLICY.replace("PORT", "80"))
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "one")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "all.yaml").write_text(PODS + POLICY.replace("PORT", "80"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("repository")
def test_a_folder_that_one_revision_does_not_have_is_empty() -> None:
    added = run("HEAD:deploy", "deploy", "--fail-on", "opened")
    assert (added.exit_code, "HEAD:deploy is not there: taken as empty" in added.output) == (1, True)
    shutil.rmtree("deploy")
    assert run("HEAD:deploy", "deploy").exit_code == 2
    shutil.rmtree("old")
    removed = run("HEAD:old", "old", "--fail-on", "opened")
    assert (removed.exit_code, "old is not there: taken as empty" in removed.output) == (0, True)
    assert "no such file or folder" in run("HEAD:new.yaml", "other.yaml").output
    assert run("HEAD:deploy", "-", text=PODS).exit_code == 2  # what the other side is, is not known
    assert "no revision of git" in run("other:new.yaml", "new.yaml").output
    outside = run("HEAD:../deploy", "new.yaml")
    assert (outside.exit_code, "the path is outside of the repository" in outside.output) == (2, True)


@pytest.mark.parametrize(
    ("states", "near"),
    [
        (("HEAD:odl", "old"), "HEAD:odl: no such file or folder in this revision; there is old ..."),
        (("new.yaml", "HEAD:old/al.yaml"), "there is old/all.yaml ..."),
        (("new.yml", "old"), "new.yml: no such file or folder; there is new.yaml ..."),
    ],
)
@pytest.mark.usefixtures("repository")
def test_a_misspelt_path_is_an_error_with_the_nearest(states: tuple[str, str], near: str) -> None:
    found = run(*states)
    assert (found.exit_code, near in found.output, "taken as empty" in found.output) == (2, True, False)


def test_paths_are_those_of_the_current_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository / "deploy")
    assert "there is ../new.yaml" in run("HEAD:../nwe.yaml", "all.yaml").output
    monkeypatch.chdir(repository / "old")
    assert run("HEAD:../deploy", str(repository / "deploy"), "--fail-on", "opened").exit_code == 1


@pytest.mark.usefixtures("repository")
def test_a_kustomization_of_a_revision_is_rendered() -> None:
    Path("old/all.yaml").write_text(PODS)
    found = run("HEAD:old", "old", "--fail-on", "closed")
    assert (found.exit_code, found.output.splitlines()[0]) == (0, run("HEAD:new.yaml", "old").output.replace(
        "HEAD:new.yaml", "HEAD:old").splitlines()[0])  # fmt: skip
    assert "0 opened" not in found.output
    assert "OPENED" in found.output


def test_pruning_is_for_a_live_state(states: tuple[str, str]) -> None:
    found = run(*states, "--prune")
    assert (found.exit_code, "--prune is for a written state" in found.output) == (2, True)


def test_kinds_that_are_not_read_are_listed_once(states: tuple[str, str]) -> None:
    widget = "---\napiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\n"
    Path(states[0]).write_text(PODS + widget)
    Path(states[1]).write_text(PODS + widget + widget.replace("name: a", "name: b"))
    assert json.loads(run(*states, "-o", "json").output)["notes"] == [
        f"not read: 2 of Widget.example.com ({states[1]}:10)"
    ]


@pytest.mark.parametrize("is_rendered", [False, True])
def test_a_state_takes_the_place_of_what_both_have(
    states: tuple[str, str], tmp_path: Path, *, is_rendered: bool
) -> None:
    (tmp_path / "change.yaml").write_text(POLICY.replace("PORT", "81"))
    (tmp_path / "base").mkdir()
    shutil.copy(states[1], tmp_path / "base" / "all.yaml")
    (tmp_path / "base" / "kustomization.yaml").write_text("resources: [all.yaml]\n")
    base = ("-k", str(tmp_path / "base")) if is_rendered else ("-f", states[1])
    found = json.loads(run(states[1], str(tmp_path / "change.yaml"), *base, "-o", "json").output)
    assert [one["ports"] for one in found["connections"] if one["effect"] == "opened"] == ["TCP 81"]
    same = json.loads(run(states[1], states[1], *base, "-o", "json").output)
    assert same["connections"] == []
    assert any("written more than once" in one for one in same["notes"]) == is_rendered  # from another place
