"""Whose rules are on a machine."""

from __future__ import annotations

import pytest

from podwire.insight.doctor import machine
from podwire.insight.doctor.foreign_rules import chains, judge, owner, saved_chains
from podwire.insight.doctor.node_facts import DroppingChain, ForeignRules
from podwire.kernel.nftables import Nftables
from tests.sandbox import sandboxed


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("KUBE-SERVICES", "kube-proxy"),
        ("KUBE-SVC-ABC", "kube-proxy"),
        ("kube-proxy", "kube-proxy"),
        ("cali-FORWARD", "Calico"),
        ("FLANNEL-FWD", "Flannel"),
        ("CILIUM_INPUT", "Cilium"),
        ("ufw-user-input", "ufw"),
        ("ufw6-user-input", "ufw"),
        ("firewalld", "firewalld"),
        ("KUBE-FIREWALL", ""),
        ("FORWARD", ""),
        ("podwire-services", ""),
        ("my-cali-chain", ""),
    ],
)
def test_names_lead_to_their_owners(name: str, who: str) -> None:
    assert owner(name) == who


@sandboxed
def test_tables_of_the_kernel_are_judged() -> None:
    nft = Nftables()
    dropping_chain = "{ type filter hook forward priority 0; policy drop; }"
    nft.run(f"add table inet podwire-x; add chain inet podwire-x f {dropping_chain}")
    assert machine.rules() == ((), ())
    nft.run("add table ip filter; add chain ip filter cali-a; add chain ip filter cali-b")
    nft.run(f"add chain ip filter FORWARD {dropping_chain}")
    nft.run("add chain ip filter INPUT { type filter hook input priority 0; policy drop; }")
    nft.run("add table inet firewalld")
    foreign, dropping = machine.rules()
    assert foreign == (ForeignRules("Calico", "chain cali-a of table ip filter"),), "a table without chains is empty"
    assert dropping == (DroppingChain("ip filter", "FORWARD", "forward"),)
    nft.run("add chain inet firewalld x")
    assert ForeignRules("firewalld", "table inet firewalld") in machine.rules()[0]


def test_the_old_variant_of_iptables_is_judged_too() -> None:
    saved = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:ufw-before-input - [0:0]\nCOMMIT\n"
    foreign, dropping = judge(saved_chains("iptables-legacy", saved))
    assert [one.owner for one in foreign] == ["ufw"]
    assert dropping == (DroppingChain("iptables-legacy filter", "FORWARD", "forward"),)
    assert judge(saved_chains("iptables-legacy", saved.replace("DROP", "ACCEPT")))[1] == ()


def test_a_listing_without_tables_has_no_chains() -> None:
    assert not list(chains(""))
