"""podwire explain FROM TO: what it takes, what it refuses, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podwire.cli import podwire

SHOP = str(Path(__file__).parents[2] / "examples" / "shop")

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n---\n"


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(podwire, ["explain", *arguments], input=text)


def test_options_may_come_before_and_after_the_names() -> None:
    found = {
        run(*arguments).output
        for arguments in (
            ("-f", SHOP, "shop/frontend", "shop/database:5432"),
            ("shop/frontend", "shop/database:5432", "-f", SHOP),
            ("shop/frontend", "-f", SHOP, "shop/database:5432"),
            ("connection", "-f", SHOP, "shop/frontend", "shop/database:5432"),
            (f"--filename={SHOP}", "frontend", "database:5432", "-n", "shop"),
        )
    }
    assert len({text.partition("\n")[2] for text in found}) == 1
    assert any("answer  not allowed" in text for text in found)


@pytest.mark.parametrize(
    ("server", "code"), [("shop/database:5432", 1), ("shop/backend:8080", 0), ("shop/backend:9090", 1)]
)
def test_the_exit_status_is_the_answer_where_it_is_wanted(server: str, code: int) -> None:
    assert run("-f", SHOP, "shop/frontend", server, "--exit-code").exit_code == code
    assert run("-f", SHOP, "shop/frontend", server).exit_code == 0


def test_json_has_the_answer_its_policies_and_changes() -> None:
    found = json.loads(run("-f", SHOP, "shop/frontend", "shop/database:5432", "-o", "json").output)
    assert (found["verdict"], found["isPlanned"]) == ("not allowed", True)
    egress = found["connections"][0]["sides"][0]
    assert {one["policy"]: one["word"] for one in egress["policies"]} == {
        "shop/allow-dns": "does not admit",
        "shop/backend": "not applicable",
        "shop/database": "not applicable",
        "shop/default-deny": "does not admit",
        "shop/frontend": "does not admit",
    }
    assert [one["yaml"].splitlines()[1] for one in found["changes"]] == ["kind: NetworkPolicy"] * 2


def test_standard_input_is_read() -> None:
    text = "".join(f"{path.read_text()}\n---\n" for path in sorted(Path(SHOP).glob("*.yaml")))
    assert "(standard input:" in run("-f", "-", "shop/frontend", "shop/database:5432", text=text).output


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\nb: c: d\n", "standard input:2: no YAML: "),
        ("name: {{ .Values.name }}\n", "standard input:1: this is a template, not YAML: render it first"),
        ("{{- if .Values.on }}\nkind: Pod\n", "standard input:1: this is a template, not YAML: render it first"),
        (POD.replace("x", "a") + POD.replace("x", "a, namespace: other"), "a means several: write default/pod/a or "),
        (POD.replace("x", "b"), "a: nothing has this name; there is b"),
        (POD.replace("x", "a"), "b: nothing has this name; there is a"),
        ("", "there is no object"),
    ],
)  # fmt: skip
def test_bad_input_is_one_message_and_exit_status_2(text: str, error: str) -> None:
    result = run("-f", "-", "a", "b:80", text=text)
    assert result.exit_code == 2
    assert error in result.output


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("-f", SHOP, "outside", "10.0.0.1:80"), "neither is in the cluster"),
        (("-f", SHOP, "app.example.com", "shop/backend"), "is no client"),
        (("-f", SHOP, "shop/frontend:80", "shop/backend"), "a client has no port"),
        (("-f", SHOP, "shop/frontend", "visitors/browser"), "write its port"),
        (("-f", SHOP, "shop/frontend", "deploy/backend:https"), "named ports: http, metrics"),
        (("-f", "absent.yaml", "a", "b"), "no such file or folder"),
        (("-f", SHOP, "-f", "live", "a", "b"), "cannot be joined with files"),
        (("-f", SHOP, "--pod-range", "ten", "shop/frontend", "shop/backend"), "--pod-range"),
        (("-k", SHOP, "a", "b"), f"-k {SHOP}: unable to find one of "),
        (("-k", "absent", "a", "b"), "Error: absent: no such file or folder; there is "),
        (("-f", SHOP, "shop/frontend"), "Missing argument 'TO"),
        (("-f", SHOP), "Missing argument 'FROM'"),
        (("-f", SHOP, "shop/frontend", "node-1:80"), "node-1: nothing has this name; the files have no Node"),
    ],
)
def test_wrong_arguments_are_one_message_and_exit_status_2(arguments: tuple[str, ...], error: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert error in result.output


def test_a_kustomization_is_rendered(tmp_path: Path) -> None:
    (tmp_path / "pods.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b}\n"
    )
    (tmp_path / "kustomization.yaml").write_text("resources: [pods.yaml]\nnamePrefix: test-\n")
    result = run("-k", str(tmp_path), "test-a", "test-b:80")
    assert "test-a -> test-b:80/TCP" in result.output, result.output


def test_a_range_of_pods_decides_what_depends_on_addresses(tmp_path: Path) -> None:
    policy = (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\n"
        "spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/16}}]}]}\n---\n"
    )
    pods = "".join(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {one}}}\n---\n" for one in "ab")
    (tmp_path / "all.yaml").write_text(policy + pods)
    answers = [
        run("-f", str(tmp_path), "a", "b:80", *more).output.splitlines()[1].split()[1]
        for more in ((), ("--pod-range", "10.1.2.0/24"), ("--pod-range", "10.0.0.0/8"))
    ]
    assert answers == ["not", "allowed:", "undecidable:"]


def test_a_url_and_a_name_have_the_same_exit_status() -> None:
    assert run("-f", SHOP, "shop/frontend", "http://backend:8080/", "--exit-code").exit_code == 0
    denied = run("-f", SHOP, "shop/frontend", "http://database:5432/", "--exit-code", "-o", "json")
    assert denied.exit_code == 1
    found = json.loads(denied.output)
    assert (found["verdict"], len(found["changes"])) == ("not allowed", 2)
    assert run("name", "backend", "--from", "shop/frontend", "-f", SHOP, "--exit-code").exit_code == 0


@pytest.mark.parametrize("client", ["shop/frontend", "deploy/frontend", "frontend", "shop/deploy/frontend"])
def test_the_client_of_a_url_has_the_same_names(client: str) -> None:
    found = run("-f", SHOP, client, "http://backend:8080/").output
    assert found.startswith("shop/frontend -> GET http://backend:8080/")


@pytest.mark.parametrize(
    ("client", "error"),
    [
        ("shop/frontent", "nothing has this name; there is shop/frontend"),
        ("svc/backend", "is no client"),
        ("nowhere/x", "namespace nowhere"),
    ],
)
def test_a_client_of_a_url_that_is_none_is_one_message(client: str, error: str) -> None:
    result = run("-f", SHOP, client, "http://backend:8080/")
    assert result.exit_code == 2
    assert error in result.output
