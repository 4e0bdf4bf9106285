"""Exit status and JSON of all commands that answer, as docs/reference/answers.md has them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podwire.cli import podwire

PAGE = Path(__file__).parents[2] / "docs/reference/answers.md"
COMMON = ["verdict", "answer", "findings", "changes", "isPlanned"]
OPEN = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
"""
CLOSED = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: v1
kind: Service
metadata: {name: lost}
spec: {selector: {app: lost}, ports: [{port: 80}]}
"""
YES = {
    "explain FROM TO": "explain client web:80 --exit-code",
    "explain url": "explain url http://web/ --from default/client --exit-code",
    "explain name": "explain name web --from client --exit-code",
    "explain service": "explain service web --exit-code",
    "reach": "reach",
    "lint": "lint --fail-on error",
    "diff": "diff open.yaml open.yaml --fail-on any",
}
NO = {
    "explain FROM TO": "explain client web:80 --exit-code",
    "explain url": "explain url http://web/ --from default/client --exit-code",
    "explain name": "explain name web --from client --exit-code",
    "explain service": "explain service lost --exit-code",
    "lint": "lint --fail-on info",
    "diff": "diff open.yaml closed.yaml --fail-on closed",
}
NOTHING = {
    "explain FROM TO": "explain client nobody:80",
    "explain url": "explain url http://web/ --from default/nobody",
    "explain name": "explain name web --from nobody",
    "explain service": "explain service nobody",
    "reach": "reach absent.yaml",
    "lint": "lint absent.yaml",
    "diff": "diff absent.yaml open.yaml",
}
LIVE = {
    **{name: text.removesuffix(" --exit-code") for name, text in YES.items() if name != "diff"},
    "diff": "diff live open.yaml",
    "verify": "verify reach.yaml --live",
    "flows": "flows",
    "suggest": "suggest",
    "mesh audit": "mesh audit",
}
"""What needs an API server."""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The objects, and no world or kubeconfig to read others from."""
    (tmp_path / "open.yaml").write_text(OPEN)
    (tmp_path / "closed.yaml").write_text(OPEN + CLOSED)
    (tmp_path / "reach.yaml").write_text("expectations: [{from: client, to: web, port: 80, expect: deny}]")
    (tmp_path / "kubeconfig").write_text("apiVersion: v1\nkind: Config\n")
    monkeypatch.chdir(tmp_path)


def run(text: str, *more: str) -> Result:
    return CliRunner().invoke(podwire, [*text.split(), *more])


def of_files(text: str, file: str, *more: str) -> Result:
    return run(text, *(() if text.startswith("diff") else ("-f", file)), *more)


def rows() -> dict[str, list[str]]:
    """Return the keys of each command's object in the table."""
    found = {}
    for line in PAGE.read_text().splitlines():
        cells = [one.strip() for one in line.split("|")]
        if len(cells) == 5 and cells[1].startswith("`"):
            for name in re.findall(r"`([^`]+)`", cells[1]):
                keys = re.findall(r"`([^`]+)`", cells[3])
                found[name] = [*COMMON, *keys] if "the same five" in cells[3] else keys
    return found


@pytest.mark.parametrize("name", YES)
def test_a_yes_is_0_and_its_json_has_the_keys_of_the_table(name: str) -> None:
    assert of_files(YES[name], "open.yaml").exit_code == 0
    value = json.loads(of_files(YES[name], "closed.yaml", "-o", "json").stdout)
    if isinstance(value, list):
        value = value[0]
    assert sorted(value) == sorted(rows()[name])


@pytest.mark.parametrize("name", NO)
def test_a_no_is_1_where_a_flag_requests_it(name: str) -> None:
    found = of_files(NO[name], "closed.yaml")
    assert (found.exit_code, found.stderr) == (1, "")
    without = re.sub(r" --exit-code| --fail-on \w+", "", NO[name])
    assert of_files(without, "closed.yaml").exit_code == 0


@pytest.mark.parametrize("name", NOTHING)
def test_no_answer_is_2_with_a_message(name: str) -> None:
    found = of_files(NOTHING[name], "open.yaml", *(("--exit-code",) if name.startswith("explain") else ()))
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr


@pytest.mark.parametrize("name", LIVE)
def test_no_api_server_is_2_with_a_message(name: str, tmp_path: Path) -> None:
    found = run(LIVE[name], "--kubeconfig", str(tmp_path / "kubeconfig"), "--context", "none")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "none" in found.stderr
