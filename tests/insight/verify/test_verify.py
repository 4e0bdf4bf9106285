"""`podwire verify` as users run it: real packets in a world of its own, of which nothing is left."""

import json
import os
import signal
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from podwire.testing import Home
from podwire.testing.home import PODWIRE
from podwire.testing.waiting import eventually

TRIAL = Path(__file__).with_name("trial")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_every_kind_of_end_and_protocol_is_proven_and_what_is_wrong_is_named(home: Home, tmp_path: Path) -> None:
    junit = tmp_path / "out.xml"
    found = home.podwire(
        "verify", str(TRIAL / "reach.yaml"), "-o", "json", "--junit", str(junit), check=False, timeout=110
    )
    assert found.returncode == 1, found.stderr
    lines = json.loads(found.stdout)["expectations"]
    wrong = {int(one["place"].rpartition(":")[2]): one for one in lines if not one["ok"]}
    assert [(number, one["verdict"]) for number, one in wrong.items()] == [
        (13, "wrong"),
        (14, "wrong"),
        (15, "undecided"),
    ], found.stdout
    assert {one["expect"]: one["seen"] for one in wrong.values() if one["verdict"] == "wrong"} == {
        "allow": "no answer",
        "deny": "answered",
    }
    assert not any(one["disagreement"] for one in lines)
    suite = ElementTree.parse(junit).getroot()[0]
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == (str(len(lines) + 1), "2", "1")
    assert "trying" in found.stderr
    nothing_is_left(home)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_nothing_is_left_after_a_signal(home: Home, tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "reach.yaml"
    connection = "{from: trial/friend, to: trial/api, port: 80, expect: allow}"
    file.write_text(f"files: [{TRIAL}]\nnodes: 1\nexpectations:\n  - {connection}\n")
    command = [*PODWIRE, "verify", str(file)]
    process = subprocess.Popen(command, env=home.environment, text=True, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "creating" in line:
                break
        first = next(iter(home.folder.glob("state/worlds/*/world.json")))
        pid = json.loads(first.read_text())["pid"]
        os.kill(process.pid, number)
        assert process.wait(60) != 0
        eventually(lambda: not Path(f"/proc/{pid}").exists(), 60, "the end of the world")
    finally:
        process.kill()
        process.communicate()
    nothing_is_left(home)


def nothing_is_left(home: Home) -> None:
    """No world, no folder of one, and no context in the user's kubeconfig."""
    assert home.podwire("status").stdout.startswith("No world is running")
    assert list(home.folder.glob("state/worlds/*")) == []
    assert not home.kubeconfig.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("expectations: 3", "reach.yaml:1: "),
        (
            "files: [nothing]\nexpectations:\n  - {from: trial/friend, to: trial/api, port: 80, expect: deny}",
            "nothing: no such file or folder",
        ),
        (
            f"files: [{TRIAL}]\nexpectations:\n  - {{from: trial/fiend, to: trial/api, port: 80, expect: deny}}",
            "reach.yaml:3: trial/fiend: nothing has this name; there is trial/friend",
        ),
    ],
)
def test_a_bad_file_is_one_message_and_status_2_before_a_world_is_started(
    home: Home, tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "reach.yaml"
    file.write_text(text)
    found = home.podwire("verify", str(file), check=False)
    assert found.returncode == 2
    assert message in found.stderr
    assert found.stderr.count("\n") == 1
    assert not (home.folder / "state").exists()
