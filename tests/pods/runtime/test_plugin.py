"""The real executable with real JSON, against a real agent and against none."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from podwire.kernel.namespaces import remove_network_namespace
from podwire.pods.runtime.installation import (
    compiled_plugin,
    configuration_list,
    install,
    install_configuration,
    install_script,
)
from podwire.pods.runtime.plugin import SUPPORTED_VERSIONS, decode
from tests.pods.cluster import SmallCluster, eventually, finish
from tests.pods.packets import udp_peer_seen
from tests.pods.plugins import call
from tests.sandbox import Host, sandboxed


def config(**keys: Any) -> str:
    return json.dumps({"cniVersion": "1.0.0", "name": "podwire", "type": "podwire", **keys})


@pytest.mark.parametrize(
    ("stdin", "version"),
    [
        ('{"cniVersion": "0.4.0"}', "0.4.0"),
        ('{"cniVersion": "0.4.0", "cniVersion": "1.0.0"}', "1.0.0"),
        ('{"cniVersion": "1.0.0", "cniVersion": 7}', "1.1.0"),
        ('{"cni\\u0056ersion": "\\u0031.0.0"}', "1.0.0"),
        ('{"x": {"cniVersion": "0.4.0"}, "y": [{"cniVersion": "0.4.0"}]}', "1.1.0"),
        ('{"cniVersion\\u0000": "0.4.0", "cniVersion ": "0.4.0"}', "1.1.0"),
        ('{"cniVersion": "1\\u0000"}', "1.1.0"),
        ('{"cniVersion": "\\ud800"}', "1.1.0"),
        ('{"cniVersion": "\\ud83d\\ude00 \\u00e9 é \\" \\\\ \\/ \\n"}', '😀 é é " \\ / \n'),
        (' {\n"x":' + "[" * 800 + "]" * 800 + "} ", "1.1.0"),
    ],
)
def test_version_needs_no_agent(program: Path, stdin: str, version: str) -> None:
    assert call(program, stdin, CNI_COMMAND="VERSION") == (
        0,
        {"cniVersion": version, "supportedVersions": list(SUPPORTED_VERSIONS)},
    )


@pytest.mark.parametrize(
    ("command", "stdin", "code"),
    [
        ("", config(), 4),
        ("ADD", "{nonsense", 6),
        ("ADD", "[]", 6),
        ("ADD", b'{"a": "\xff"}', 6),
        ("ADD", b'{"a": "\xed\xa0\x80"}', 6),
        ("ADD", b'{"a": "\xc0\x80"}', 6),
        ("ADD", '{"a": NaN}', 6),
        ("ADD", "\N{NO-BREAK SPACE}{}", 6),
        ("ADD", "\ufeff{}", 6),
        ("ADD", "", 6),
        ("ADD", '{"cniVersion": "1.0.0"} trailing', 6),
        ("ADD", "[" * 100_000, 6),
        ("ADD", config(), 7),
        ("ADD", config(**{"podwire.socket": 7}), 7),
        ("ADD", config(**{"podwire.socket": "relative"}), 7),
        ("ADD", config(**{"podwire.socket": "/a\0b"}), 7),
        ("ADD", '{"podwire.socket": "/\\udc00"}', 7),
        ("ADD", '{"podwire.socket": "/a", "podwire.socket": null}', 7),
        ("ADD", '{"x": "' + "a" * (16 << 20) + '"}', 7),
        ("ADD", config(**{"podwire.socket": "/" + "a" * 108}), 11),
        ("ADD", config(**{"podwire.socket": "/nonexistent/sock"}), 11),
        ("DEL", config(**{"podwire.socket": "/nonexistent/sock"}), 11),
        ("STATUS", config(**{"podwire.socket": "/nonexistent/sock"}), 50),
    ],
)
def test_errors_without_an_agent(program: Path, command: str, stdin: str | bytes, code: int) -> None:
    status, answer = call(program, stdin, **({"CNI_COMMAND": command} if command else {}))
    assert status == 1
    assert answer["code"] == code
    assert answer["msg"]
    assert answer["cniVersion"] in SUPPORTED_VERSIONS


@pytest.mark.parametrize("text", ['{"a": [1, 2.5, null, true, "x\\u00e9"]}', ' {"a": 1}\n', "7"])
def test_the_small_decoder_reads_what_json_reads(text: str) -> None:
    assert decode(text) == json.loads(text)


def test_the_executable_has_only_the_rights_of_its_caller(program: Path) -> None:
    assert stat.S_IMODE(program.stat().st_mode) == 0o755
    assert [path.name for path in program.parent.iterdir()] == ["podwire"]


def test_the_compiled_plugin_is_installed_where_the_environment_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert compiled_plugin() is None
    install(tmp_path / "podwire")
    assert (tmp_path / "podwire").read_bytes().startswith(b"#!/")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/podwire-cni").write_bytes(b"\x7fELF")
    assert compiled_plugin() is None, "it is not executable yet"
    (tmp_path / "bin/podwire-cni").chmod(0o755)
    install(tmp_path / "podwire")
    assert (tmp_path / "podwire").read_bytes() == b"\x7fELF"


def test_an_interpreter_that_the_kernel_cannot_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without spaces"):
        install_script(tmp_path / "podwire", "/opt/my python/bin/python")


def test_the_configuration_list_names_the_socket(tmp_path: Path) -> None:
    install_configuration(tmp_path / "net.d/10-podwire.conflist", Path("/run/x.sock"))
    content = json.loads((tmp_path / "net.d/10-podwire.conflist").read_text())
    assert content == json.loads(configuration_list(Path("/run/x.sock")))
    assert content["plugins"] == [{"type": "podwire", "podwire.socket": "/run/x.sock"}]


@sandboxed
def test_add_returns_what_exists_and_check_agrees() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        pod = node.pod("a")
        host, inside = pod.result["interfaces"]
        assert pod.result["ips"] == [
            {"address": "10.244.1.2/32", "gateway": "169.254.1.1", "interface": 1},
            {"address": "fd00:10:244:1::2/128", "gateway": "fe80::1", "interface": 1},
        ]
        assert (inside["name"], inside["sandbox"], inside["mtu"]) == ("eth0", str(pod.path), 1500)
        assert pod.result["routes"] == [{"dst": "0.0.0.0/0", "gw": "169.254.1.1"}, {"dst": "::/0", "gw": "fe80::1"}]
        assert node.links() == [host["name"]]
        assert node.cni("CHECK", pod, {"prevResult": pod.result}) == (0, None)
        assert node.reported == ["admit shop/a 10.244.1.2"]


DAMAGES = (
    ("pod", "ip address del V4/32 dev eth0", "has the addresses fd00"),
    ("pod", "ip address add 10.9.9.9/32 dev eth0", "10.9.9.9"),
    ("pod", "ip route del default", "route to 0.0.0.0/0 by eth0 is missing"),
    ("pod", "ip neighbour del fe80::1 dev eth0", "neighbour fe80::1 on eth0 is missing"),
    ("pod", "ip link set eth0 down", "eth0 in /run"),
    ("pod", "ip link set eth0 mtu 1600", "mtu of 1600 instead of 1500"),
    ("pod", "ip link set eth0 address 02:00:00:00:00:07", "hardware address 02:00:00:00:00:07 instead of"),
    ("node", "ip link del LINK", "is missing in the node"),
    ("node", "ip -6 route del V6/128", "/128 by pw"),
    ("node", "ip neighbour del V4 dev LINK", "the neighbour 10.244.1."),
    ("node", "nft flush set inet podwire-pods sources4", "the rule that allows"),
)


@sandboxed
def test_check_finds_each_damage() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        for number, (where, command, reason) in enumerate(DAMAGES):
            pod = node.pod(f"pod-{number}")
            assert node.cni("CHECK", pod, {"prevResult": pod.result}) == (0, None)
            words = {"V4": pod.address(4), "V6": pod.address(6), "LINK": pod.result["interfaces"][0]["name"]}
            (pod if where == "pod" else node.host).run(*_filled(command, words))
            status, answer = node.cni("CHECK", pod, {"prevResult": pod.result})
            assert (status, answer["code"]) == (1, 100)
            assert reason in answer["details"]


def _filled(command: str, words: dict[str, str]) -> list[str]:
    for word, value in words.items():
        command = command.replace(word, value)
    return command.split()


@sandboxed
def test_check_compares_the_previous_result_and_refuses_unknown_pods() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        pod = node.pod("a")
        other = {**pod.result, "ips": [{"address": "10.244.1.9/32", "interface": 1}]}
        status, answer = node.cni("CHECK", pod, {"prevResult": other})
        assert (status, answer["details"]) == (1, "prevResult lacks the addresses 10.244.1.2/32, fd00:10:244:1::2/128")
        assert node.cni("CHECK", Host("stranger"), {"prevResult": pod.result})[0] == 1


@sandboxed
def test_del_leaves_nothing_and_may_be_repeated() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        before = snapshot(node.host)
        pod = node.pod("a")
        assert snapshot(node.host) != before
        for _ in range(2):
            assert node.cni("DEL", pod, {"prevResult": pod.result}) == (0, None)
        assert snapshot(node.host) == before
        assert node.reported == ["admit shop/a 10.244.1.2", "release shop/a 10.244.1.2"]
        assert node.cni("DEL", None, None, CNI_CONTAINERID="unheard-of", CNI_IFNAME="eth0") == (0, None)


def snapshot(host: Host) -> str:
    """All that an attachment may leave on its node."""
    script = "ip -o link | grep -v eth0; ip route; ip -6 route; nft -s list ruleset"
    return host.run("sh", "-c", script).stdout.replace("\t", " ")


@sandboxed
def test_del_works_when_the_namespace_is_gone() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        pod = node.pod("a")
        remove_network_namespace(pod.path)
        eventually(lambda: not node.links())
        assert node.cni("DEL", None, None, CNI_CONTAINERID="a", CNI_IFNAME="eth0") == (0, None)
        assert node.pod("b").address(4) == "10.244.1.3"


@sandboxed
def test_add_refuses_bad_namespaces_and_taken_names_and_undoes_everything() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        before = snapshot(node.host)
        pod = Host("a")
        for netns, code in (("/nonexistent", 4), ("/etc/hostname", 5), (str(node.host.path), 5)):
            status, answer = node.cni("ADD", pod, None, CNI_NETNS=netns)
            assert (status, answer["code"]) == (1, code), answer
        pod.run("ip", "link", "add", "eth0", "type", "bridge")
        status, answer = node.cni("ADD", pod)
        assert (status, answer["code"]) == (1, 4)
        assert "eth0 exists already" in answer["msg"]
        assert snapshot(node.host) == before
        pod.run("ip", "link", "del", "eth0")
        assert node.cni("ADD", pod)[0] == 0


BAD_INPUT: tuple[tuple[dict[str, str], dict[str, Any], int, str], ...] = (
    ({"CNI_CONTAINERID": ""}, {}, 4, "CNI_CONTAINERID"),
    ({"CNI_CONTAINERID": "../x"}, {}, 4, "CNI_CONTAINERID"),
    ({"CNI_IFNAME": "a/b"}, {}, 4, "CNI_IFNAME"),
    ({"CNI_IFNAME": "lo"}, {}, 4, "CNI_IFNAME"),
    ({"CNI_NETNS": ""}, {}, 4, "CNI_NETNS"),
    ({"CNI_COMMAND": "DESTROY"}, {}, 4, "DESTROY"),
    ({}, {"cniVersion": "9.9.9"}, 1, "9.9.9"),
    ({}, {"name": "../../etc"}, 7, "name"),
    ({}, {"prevResult": {"ips": []}}, 7, "behind the plugin that makes it"),
    ({}, {"prevResult": 7}, 7, "prevResult"),
    ({"CNI_COMMAND": "GC"}, {}, 7, "valid-attachments"),
    ({"CNI_COMMAND": "STATUS"}, {"cniVersion": "1.0.0"}, 1, "STATUS needs cniVersion 1.1.0"),
)


@sandboxed
def test_bad_input_is_named() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        pod = Host("a")
        for variables, keys, code, word in BAD_INPUT:
            status, answer = node.cni("ADD", pod, keys, **variables)
            assert (status, answer["code"]) == (1, code)
            assert word in answer["msg"]
        assert node.links() == []


@sandboxed
def test_results_have_the_form_of_their_version() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        for version in SUPPORTED_VERSIONS:
            _, result = node.cni("ADD", Host(f"pod-{version}"), {"cniVersion": version})
            assert result["cniVersion"] == version
            reported = ["4", "6"] if version.startswith("0.") else [None, None]
            assert [entry.get("version") for entry in result["ips"]] == reported
            assert ("mtu" in result["interfaces"][1]) == (version == "1.1.0")


@sandboxed
def test_no_policies_no_network() -> None:
    with SmallCluster(gate_seconds=0.2) as cluster:
        (node,) = cluster.machines
        before = snapshot(node.host)
        (node.folder / "hold").touch()
        pod = Host("a")
        status, answer = node.cni("ADD", pod)
        assert (status, answer["code"]) == (1, 11)
        assert "shop/a gets no network before its policies are applied" in answer["msg"]
        assert "after 0.2 s the gate holds shop/a" in answer["msg"]
        assert snapshot(node.host) == before
        (node.folder / "hold").unlink()
        assert node.cni("ADD", pod)[0] == 0


@sandboxed
def test_nothing_passes_before_the_gate_opens() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        (node.folder / "hold").touch()
        pod = Host("a")
        adding = node.call("ADD", pod)
        eventually(lambda: bool(node.reported) and "10.244.1.2" in pod.run("ip", "address").stdout)
        assert pod.run("ping", "-c1", "-W1", "172.18.0.2", check=False).returncode != 0
        (node.folder / "hold").unlink()
        assert finish(adding)[0] == 0
        assert pod.run("ping", "-c1", "-W30", "172.18.0.2").returncode == 0


@sandboxed
def test_status_says_whether_an_add_can_be_served() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        assert node.cni("STATUS") == (0, None)
        node.kill_without_mark()
        status, answer = node.cni("STATUS")
        assert (status, answer["code"]) == (1, 50)
        node.start()
        status, answer = node.cni("STATUS")
        assert (status, answer["code"]) == (1, 50)
        assert "podCIDRs" in answer["msg"]
        status, answer = node.cni("ADD", Host("a"))
        assert (status, answer["code"]) == (1, 11)


@sandboxed
def test_a_pod_can_send_at_the_moment_add_returns() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        first = node.pod("first")
        for name in ("a", "b", "c"):
            pod = node.pod(name)
            assert udp_peer_seen(pod, first, first.address(6)) == pod.address(6)
            assert udp_peer_seen(first, pod, pod.address(4)) == first.address(4)
