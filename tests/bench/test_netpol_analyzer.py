"""`podwire reach` and np-guard's netpol-analyzer on the same manifests: alike, but for what its page names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bench.netpol_analyzer import command, differences, own_pairs, pairs, program
from bench.peer_programs import MissingPeerError
from bench.reach_objects import Size, write
from click.testing import CliRunner

from podwire.cli import podwire

POD = """---
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: shop, labels: {app: NAME}}
spec: {MORE containers: [{name: c, ports: [{containerPort: 80}]}]}
"""
POLICY = """---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b, namespace: shop}
spec: {podSelector: {matchLabels: {app: b}}, ingress: [{RULE}]}
"""
THEIRS = """[
 {"src": "0.0.0.0-255.255.255.255", "dst": "shop/a[Pod]", "conn": "All Connections"},
 {"src": "shop/a[Pod]", "dst": "shop/b[Pod]", "conn": "UDP 53,TCP 80,443-445"}
]"""
FROM_A = ("shop/a", "shop/b")
SEEN_DIFFERENTLY = {
    "from: [{ipBlock: {cidr: 0.0.0.0/0}}]": ("any", ""),
    "from: [{ipBlock: {cidr: 2001:db8::/32}}]": ("", ""),  # outside is another matter
    "ports: [{protocol: TCP}, {protocol: UDP}, {protocol: SCTP}]": ("SCTP TCP UDP", "any"),
    "from: [{podSelector: {matchLabels: {app: a}}}]": ("any", "any"),
    "ports: [{port: 80}, {protocol: UDP, port: 53}]": ("TCP 80 UDP 53", "TCP 80 UDP 53"),
}


def analyzer() -> Path:
    try:
        return program()
    except MissingPeerError as error:
        pytest.skip(str(error))


def reach(folder: Path) -> str:
    return CliRunner().invoke(podwire, ["reach", str(folder), "-o", "json"], catch_exceptions=False).output


def listed(folder: Path) -> str:
    return subprocess.run(command(analyzer(), folder), capture_output=True, text=True, check=True).stdout


def shop(folder: Path, rule: str, more: str = "") -> Path:
    pods = POD.replace("NAME", "a").replace("MORE", more) + POD.replace("NAME", "b").replace("MORE", "")
    (folder / "shop.yaml").write_text(pods + POLICY.replace("RULE", rule))
    return folder


def test_both_outputs_are_read_as_the_same_pairs(tmp_path: Path) -> None:
    assert pairs(THEIRS) == {FROM_A: "TCP 80,443-445 UDP 53"}
    rule = "ports: [{port: 80}, {port: 443, endPort: 445}, {protocol: UDP, port: 53}]"
    ours = own_pairs(reach(shop(tmp_path, rule)))
    assert ours == {FROM_A: "TCP 80,443-445 UDP 53", ("shop/b", "shop/a"): "any"}
    assert differences(ours, pairs(THEIRS)) == {("shop/b", "shop/a"): ("any", "")}


@pytest.mark.long
@pytest.mark.parametrize(("rule", "answers"), SEEN_DIFFERENTLY.items())
def test_each_difference_is_as_documented(tmp_path: Path, rule: str, answers: tuple[str, str]) -> None:
    folder = shop(tmp_path, rule)
    assert (own_pairs(reach(folder)).get(FROM_A, ""), pairs(listed(folder)).get(FROM_A, "")) == answers


@pytest.mark.long
def test_labels_of_pods_of_the_nodes_network_select_nothing_here(tmp_path: Path) -> None:
    folder = shop(tmp_path, "from: [{podSelector: {matchLabels: {app: a}}}]", "hostNetwork: true,")
    assert differences(own_pairs(reach(folder)), pairs(listed(folder))) == {FROM_A: ("", "any")}


@pytest.mark.long
def test_a_block_of_ipv6_is_read_as_an_ipv4_address_there(tmp_path: Path) -> None:
    folder = shop(tmp_path, "from: [{ipBlock: {cidr: 2001:db8::/32}}]")
    assert '"src": "32.1.13.184-32.1.13.184"' in listed(folder)
    assert '"sources": "outside 2001:db8::/32"' in reach(folder)


@pytest.mark.long
def test_a_range_that_ends_before_it_begins_is_an_error_there(tmp_path: Path) -> None:
    folder = shop(tmp_path, "ports: [{port: 90, endPort: 80}]")
    assert FROM_A not in own_pairs(reach(folder))
    with pytest.raises(subprocess.CalledProcessError) as error:
        listed(folder)
    assert "port range 90-80" in error.value.stderr + error.value.output


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
def test_random_clusters_are_answered_alike(tmp_path: Path, seed: int) -> None:
    folder = write(Size(6, 30, 2, 40), tmp_path, seed)
    ours = own_pairs(reach(folder))
    assert 0 < len(ours) < 30 * 29
    assert differences(ours, pairs(listed(folder))) == {}
