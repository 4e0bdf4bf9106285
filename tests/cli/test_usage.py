"""Options that a command would pass over are errors that name the remedy, not silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from podwire.cli import podwire

REPLAY = ("replay", "--old", "http://a", "--new")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "reach.yaml", "--name", "w"], "--name: add --live"),
        (["verify", "reach.yaml", "--context", "w"], "--context: add --live"),
        (["verify", "reach.yaml", "--probe-image", "i"], "--probe-image: add --live"),
        (["verify", "--generate", "new.yaml", "--junit", "x.xml"], "--junit: leave it out: --generate proves nothing"),
        (["verify", "--generate", "new.yaml", "-o", "json"], "--output: leave it out"),
        (["verify", "--generate", "."], "--generate .: is a folder: name the file to write in it, such as reach.yaml"),
        (["verify", "--generate", "old.yaml"], "--generate old.yaml: exists: name another file"),
        (["verify", "--generate", "no/new.yaml"], "there is no folder no: make it"),
        (["flows", "--node-local", "-n", "shop"], "--namespace: leave it out: --node-local is this machine alone"),
        (["flows", "--node-local", "--last", "3"], "--last: leave it out"),
        (["flows", "--node-local", "-o", "json"], "--output: leave it out"),
        (["rows", "services", "--node-local", "--node", "node-1"], "--node: leave it out"),
        (["doctor", "--node-local", "--context", "prod"], "--context: leave it out"),
        ([*REPLAY, "http://b", "--cert", "a.pem", "r.yaml"], "--cert a.pem: --old or --new must begin with https://"),
        ([*REPLAY, "https://b", "--key", "a.key", "r.yaml"], "--key a.key: add --cert, the certificate of this key"),
        (["capture", "10.0.0.1", "-w", "x.pcap", "--node-local", "--name", "w"], "--name: leave it out"),
    ],
)
def test_an_option_that_means_nothing_is_refused(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.yaml").touch()
    found = CliRunner().invoke(podwire, arguments)
    assert (found.exit_code, message in found.output) == (2, True), found.output
    assert not (tmp_path / "new.yaml").exists()


def test_a_name_of_the_environment_is_for_other_commands(tmp_path: Path) -> None:
    file = str(tmp_path / "reach.yaml")
    found = CliRunner().invoke(podwire, ["verify", file], env={"PODWIRE_NAME": "w"})
    assert "reach.yaml: no such file" in found.output


def test_folders_and_names_of_any_form_are_quoted_in_generated_files(tmp_path: Path) -> None:
    folder = tmp_path / "a, b] #c"
    folder.mkdir()
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c}]}"
    (folder / "pods.yaml").write_text(pod)
    file = tmp_path / "reach.yaml"
    made = CliRunner().invoke(podwire, ["verify", "--generate", str(file), "-f", str(folder)])
    assert made.exit_code == 0, made.output
    from podwire.insight.verify import expectation_file

    assert expectation_file.read(str(file)).files == (str(folder),)
