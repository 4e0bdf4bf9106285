"""`podwire verify` as users run it: real packets in a world of its own, of which nothing is left."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from podwire.insight.verify import answer, trial
from podwire.insight.verify.trial import Manifests
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
        (18, "wrong"),
        (19, "wrong"),
        (20, "undecided"),
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
    "number",
    [signal.SIGKILL, *(pytest.param(one, marks=pytest.mark.long) for one in (signal.SIGINT, signal.SIGTERM))],
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


@pytest.mark.long
def test_watch_tries_again_what_changed_and_an_interrupt_leaves_nothing(home: Home, tmp_path: Path) -> None:
    manifests, file = tmp_path / "manifests.yaml", tmp_path / "reach.yaml"
    manifests.write_text((TRIAL / "manifests.yaml").read_text())
    denied = "  - {from: elsewhere/stranger, to: trial/api, port: 80, expect: deny}\n"
    file.write_text(
        f"nodes: 1\nexpectations:\n  - {{from: trial/friend, to: trial/api, port: 80, expect: allow}}\n{denied}"
    )
    command = [*PODWIRE, "verify", "--watch", str(file)]
    process = subprocess.Popen(
        command, env=home.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        assert "2 of 2 expectations proven" in until_summary(process)
        text = manifests.read_text()
        manifests.write_text(text.replace("- podSelector", "").replace("{app: friend}}}]}]", "{app: nobody}}}]}]"))
        changed = until_summary(process)
        assert "creating 1 objects" in changed
        assert "1 of 2 expectations proven" in changed
        file.write_text(file.read_text().replace("port: 80, expect: allow", "port: 80, expect: deny"))
        again = until_summary(process)
        assert "2 of 2 expectations proven" in again
        assert "creating" not in again
        file.write_text("expectations: []")
        assert "is empty" in until_summary(process, "is empty")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) != 0
    finally:
        process.kill()
        process.communicate()
    nothing_is_left(home)


def until_summary(process: subprocess.Popen[str], last: str = "expectations proven") -> str:
    """The output up to the last line of a report."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if last in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


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
def test_a_bad_file_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "reach.yaml"
    file.write_text(text)
    with pytest.raises(answer.BAD_INPUT, match=re.escape(message)) as caught:
        trial.read(str(file), Manifests())
    assert "\n" not in str(caught.value)


def test_a_bad_file_is_status_2_before_a_world_is_started(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "reach.yaml"
    file.write_text("expectations: []")
    found = home.podwire("verify", str(file), check=False)
    assert found.returncode == 2
    assert found.stderr == f"podwire: {file}:1: the list 'expectations' is empty: write one entry for each connection\n"
    assert not (home.folder / "state").exists()
    file.write_text("expectations:\n  - {from: a/b, to: c/d, port: 80, expect: deny}\n")
    found = home.podwire("verify", "--live", "--name", "nowhere", str(file), check=False)
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert "no world 'nowhere' is running" in found.stderr
