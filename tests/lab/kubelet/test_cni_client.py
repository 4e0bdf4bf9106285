"""The runtime's side of CNI against small plugins that write down what they were given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podwire.lab.base import run_program
from podwire.lab.kubelet import cni_client
from podwire.lab.kubelet.cni_client import Attachment, CniError, Network

PLUGIN = """#!/bin/sh
cat > "$CNI_PATH/$CNI_COMMAND.$(basename $0).json"
env > "$CNI_PATH/$CNI_COMMAND.$(basename $0).env"
echo "$CNI_COMMAND $(basename $0)" >> "$CNI_PATH/order"
test "$CNI_COMMAND" != ADD || echo '{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.5/32"},{"address":"fd00::5/128"}]}'
"""


def network(folder: Path, **plugins: str) -> Network:
    for name, text in plugins.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    whole = {"cniVersion": "1.1.0", "name": "n", "plugins": [{"type": name, "own": 1} for name in plugins]}
    (folder / "n.conflist").write_text(json.dumps(whole))
    return Network(folder / "n.conflist", folder)


def given(folder: Path, command: str, plugin: str) -> tuple[dict[str, Any], dict[str, str]]:
    environment = (folder / f"{command}.{plugin}.env").read_text().splitlines()
    raw = json.loads((folder / f"{command}.{plugin}.json").read_text())
    return raw, dict(line.partition("=")[::2] for line in environment)


ATTACHMENT = Attachment("id-1", Path("/run/ns"), "shop", "web", "id-1")


async def test_plugins_get_what_the_specification_says(tmp_path: Path) -> None:
    subject = network(tmp_path, one=PLUGIN, two=PLUGIN)
    attached = await subject.add(ATTACHMENT)
    assert attached.addresses == ("10.0.0.5", "fd00::5")
    first, environment = given(tmp_path, "ADD", "one")
    assert first == {"type": "one", "own": 1, "cniVersion": "1.1.0", "name": "n"}
    wanted = {"CNI_CONTAINERID": "id-1", "CNI_NETNS": "/run/ns", "CNI_IFNAME": "eth0", "CNI_PATH": str(tmp_path)}
    assert wanted.items() <= environment.items()
    assert "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;" in environment["CNI_ARGS"]
    assert given(tmp_path, "ADD", "two")[0]["prevResult"] == json.loads(attached.raw)
    await subject.delete(ATTACHMENT, attached.raw)
    assert given(tmp_path, "DEL", "one")[0]["prevResult"] == json.loads(attached.raw)
    assert (tmp_path / "order").read_text().split("\n")[:-1] == ["ADD one", "ADD two", "DEL two", "DEL one"]
    await subject.collect(["id-1"])
    assert given(tmp_path, "GC", "one")[0]["cni.dev/valid-attachments"] == [{"containerID": "id-1", "ifname": "eth0"}]
    assert "CNI_CONTAINERID" not in given(tmp_path, "GC", "one")[1]
    await subject.status()
    await subject.check(ATTACHMENT, attached.raw)
    assert given(tmp_path, "CHECK", "two")[0]["prevResult"] == json.loads(attached.raw)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ('#!/bin/sh\necho \'{"code": 11, "msg": "later", "details": "busy"}\'; exit 1', 11, r"later \(busy\)"),
        ("#!/bin/sh\necho broken >&2; exit 2", 0, "ADD ended with 2: broken"),
        ("#!/bin/sh\necho no JSON", 6, "the result cannot be read"),
    ],
)
async def test_errors_of_plugins(tmp_path: Path, text: str, code: int, message: str) -> None:
    with pytest.raises(CniError, match=message) as caught:
        await network(tmp_path, one=text).add(ATTACHMENT)
    assert caught.value.code == code


async def test_a_missing_configuration_or_plugin_is_named(tmp_path: Path) -> None:
    with pytest.raises(CniError, match="absent"):
        await Network(tmp_path / "absent.conflist", tmp_path).status()
    subject = network(tmp_path, one=PLUGIN)
    (tmp_path / "one").unlink()
    with pytest.raises(CniError, match="one: No such file"):
        await subject.status()


async def test_a_plugin_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cni_client, "TIMEOUT_SECONDS", 0.05)
    with pytest.raises(CniError, match="did not end within") as caught:
        await network(tmp_path, one="#!/bin/sh\nexec sleep 60").add(ATTACHMENT)
    assert caught.value.code == cni_client.TRY_AGAIN_LATER


async def test_a_program_and_what_it_answers() -> None:
    environment = {"A": "1"}
    script = "cat; echo $A$HOME >&2; exit 3"
    outcome = await run_program.run(["/bin/sh", "-c", script], environment=environment, data=b"in", timeout_seconds=5)
    assert (outcome.status, outcome.output, outcome.errors) == (3, b"in", b"1\n")
