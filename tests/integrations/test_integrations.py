"""The files in integrations/ do what they say: their steps are read from the YAML and run here."""

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from podwire import __version__
from tests.integrations import steps
from tests.integrations.steps import ALLOWED, DENIED, ROOT, Checkout, checkout

ACTION, TEMPLATE, HOOKS = "integrations/github/action.yml", "integrations/gitlab/podwire.yml", ".pre-commit-hooks.yaml"
WRONG = DENIED.replace("deny", "allow")


class Workflow:
    """A run of the composite action: each step with its environment, the PATH and summary of the steps before."""

    def __init__(self, there: Checkout, path: Path, inputs: Mapping[str, str]) -> None:
        action = steps.load(ACTION)
        self._there = there
        self._values = {f"inputs.{name}": str(one.get("default", "")) for name, one in action["inputs"].items()}
        event = {"github.event.pull_request.base.sha": ""}
        self._values = {name: steps.filled(value, event) for name, value in self._values.items()}
        self._values |= {f"inputs.{name}": value for name, value in inputs.items()}
        self._steps = action["runs"]["steps"]
        self._temp = path / "runner"
        self._temp.mkdir()
        self._stand_ins = path / "stand-ins"
        self._stand_ins.mkdir()
        sudo = self._stand_ins / "sudo"  # a test changes nothing of its machine
        sudo.write_text("#!/bin/sh\nexec cat >/dev/null\n")
        sudo.chmod(0o755)
        self.ran: dict[str, Any] = {}

    def run(self) -> None:
        """Run the steps until one fails."""
        added = f"{self._stand_ins}:"
        for step in self._steps:
            if "if" in step and not steps.is_wanted(step["if"], self._values):
                continue
            given = {name: steps.filled(value, self._values) for name, value in step.get("env", {}).items()}
            path, summary = self._temp / "path", self._temp / "summary"
            places = {"RUNNER_TEMP": str(self._temp), "GITHUB_PATH": str(path), "GITHUB_STEP_SUMMARY": str(summary)}
            searched = self._there.environment({})["PATH"]
            found = self._there.run(step["run"], {**given, **places, "PATH": f"{added}{searched}"})
            self.ran[step["name"]] = found
            if path.exists():
                added = "".join(f"{one}:" for one in (*path.read_text().split(), self._stand_ins))
            if found.returncode:
                return


@pytest.mark.long
def test_the_action_lints_and_proves_a_checkout(tmp_path: Path) -> None:
    there = checkout(tmp_path)
    workflow = Workflow(there, tmp_path, {"manifests": "deploy", "expectations": "deploy/reach.yaml", "package": ""})
    workflow.run()
    last = workflow.ran["Verify"]
    assert last.returncode == 0, last.stderr
    assert "2 of 2 expectations proven" in last.stdout
    suite = ElementTree.parse(there.folder / "podwire-junit.xml").getroot()[0]
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("3", "0")
    assert workflow.ran["Lint"].returncode == 0


def test_the_action_annotates_what_lint_finds_and_ends_there(tmp_path: Path) -> None:
    there = checkout(tmp_path)
    policies = there.deploy / "10-policies.yaml"
    policies.write_text(policies.read_text().replace("app: backend", "app: backnd", 1))
    workflow = Workflow(
        there, tmp_path, {"manifests": "deploy", "expectations": "", "package": "", "lint-fail-on": "warning"}
    )
    workflow.run()
    assert list(workflow.ran) == ["Install podwire", "Lint"]
    lint = workflow.ran["Lint"]
    assert lint.returncode == 1
    assert re.search(r"^::(error|warning|notice) file=deploy/10-policies\.yaml,line=\d+", lint.stdout, re.MULTILINE), (
        lint.stdout
    )


def opened(there: Checkout) -> str:
    """Let the change of the checkout open the database to the frontend; return the revision before it."""
    base = there.git("rev-parse", "HEAD")
    policies = there.deploy / "10-policies.yaml"
    text = policies.read_text()
    before, rule, after = text.rpartition("              app: backend\n      ports:\n        - port: 5432")
    assert rule
    policies.write_text(before + rule.replace("app: backend", "app: prometheus") + after)
    return base


@pytest.mark.parametrize(
    ("fail_on", "status"),
    [("closed", 1), *(pytest.param(*one, marks=pytest.mark.long) for one in (("never", 0), ("opened", 0)))],
)
def test_the_action_writes_what_a_change_closes_into_the_summary(tmp_path: Path, fail_on: str, status: int) -> None:
    there = checkout(tmp_path)
    inputs = {"manifests": "deploy", "package": "", "base": opened(there), "fail-on": fail_on}
    workflow = Workflow(there, tmp_path, {**inputs, "lint-fail-on": "never"})
    workflow.run()
    assert workflow.ran["Compare"].returncode == status, workflow.ran["Compare"].stderr
    summary = (tmp_path / "runner/summary").read_text()
    assert "shop/database" in summary
    assert "|" in summary


def test_the_gitlab_template_keeps_what_a_change_closes(tmp_path: Path) -> None:
    there, job = checkout(tmp_path), steps.load(TEMPLATE)["podwire-diff"]
    given = {"PODWIRE_MANIFESTS": "deploy", "CI_MERGE_REQUEST_DIFF_BASE_SHA": opened(there)}
    found = there.run("\n".join(job["script"]), given)
    assert found.returncode == 0, found.stderr
    assert "shop/database" in (there.folder / job["artifacts"]["paths"][0]).read_text()


@pytest.mark.long
def test_the_action_installs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = next(one for one in sys.path if one.endswith("site-packages"))
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PYTHONPATH": site,
    }.items():
        monkeypatch.setenv(name, value)
    workflow = Workflow(checkout(tmp_path), tmp_path, {"manifests": "deploy", "package": str(ROOT)})
    workflow.run()
    assert workflow.ran["Install podwire"].returncode == 0, workflow.ran["Install podwire"].stderr
    assert (tmp_path / "runner/podwire/bin/podwire").exists()
    assert workflow.ran["Lint"].returncode == 0, workflow.ran["Lint"].stderr


@pytest.mark.parametrize(
    ("job", "expectations", "status"),
    [("podwire-lint", ALLOWED, 0), pytest.param("podwire-verify", DENIED + WRONG, 1, marks=pytest.mark.long)],
)
def test_the_jobs_of_the_gitlab_template(tmp_path: Path, job: str, expectations: str, status: int) -> None:
    there, template = checkout(tmp_path, expectations), steps.load(TEMPLATE)
    lines = [*template[".podwire"]["before_script"], *template[job]["script"]]
    found = there.run("\n".join(lines), {**template["variables"], "PODWIRE_PACKAGE": ""})
    assert found.returncode == status, found.stderr
    if job == "podwire-verify":
        report = template[job]["artifacts"]["reports"]["junit"]
        assert ElementTree.parse(there.folder / report).getroot()[0].attrib["failures"] == "1"


@pytest.mark.parametrize(
    ("hook", "status"), [("podwire-lint", 0), pytest.param("podwire-verify", 1, marks=pytest.mark.long)]
)
def test_the_hooks_of_pre_commit(tmp_path: Path, hook: str, status: int) -> None:
    one = next(one for one in steps.load(HOOKS) if one["id"] == hook)
    there = checkout(tmp_path, ALLOWED)  # without a deny it is unable to fail
    found = there.run(shlex.join([*shlex.split(one["entry"]), *one["args"]]), {})
    assert found.returncode == status, found.stdout + found.stderr
    assert not one["pass_filenames"]


@pytest.mark.parametrize("path", [ACTION, TEMPLATE, HOOKS])
def test_no_line_of_shell_has_a_value_pasted_into_it_and_each_version_is_pinned(path: str) -> None:
    text = (ROOT / path).read_text()
    assert list(steps.scripts(steps.load(path)))
    assert not any("${{" in one for one in steps.scripts(steps.load(path)))
    assert f"podwire=={__version__}" in text or path == HOOKS
    assert not re.search(r"^\s*-?\s*uses:(?!.*@[0-9a-f]{40})", text, re.MULTILINE)
    assert not re.search(r"\b(latest|https?://)", text)
