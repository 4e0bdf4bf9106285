"""podwire diff: what it takes, its exit status, and what it refuses."""

from __future__ import annotations

import json
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
