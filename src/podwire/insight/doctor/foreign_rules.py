"""Whose rules the tables and chains of this machine are. Pure but for reading them.

Names are those that the projects give their chains; sources: k8s.io/kubernetes `pkg/proxy`, projectcalico/calico
`felix/rules`, flannel-io/flannel `pkg/trafficmngr`, cilium/cilium `daemon/cmd`, firewalld, ufw.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from podwire.insight.doctor.node_facts import DroppingChain, ForeignRules

OWN_TABLES = ("podwire-",)
OWNERS = (
    (
        "kube-proxy",
        re.compile(r"kube-proxy$|KUBE-(SERVICES|EXTERNAL-SERVICES|NODEPORTS|SVC-|SVL-|SEP-)"),
    ),
    ("Calico", re.compile(r"calico$|cali-")),
    ("Flannel", re.compile(r"flannel-ipv[46]$|FLANNEL-")),
    ("Cilium", re.compile(r"(OLD_)?CILIUM_")),
    ("Weave Net", re.compile(r"WEAVE-")),
    ("Antrea", re.compile(r"ANTREA-")),
    ("kube-router", re.compile(r"KUBE-ROUTER-|KUBE-NWPLCY-|KUBE-POD-FW-")),
    ("kindnet", re.compile(r"kindnet-|kube-network-policies$")),
    ("firewalld", re.compile(r"firewalld$")),
    ("ufw", re.compile(r"ufw6?-")),
)
"""Beginnings of the names of tables and chains."""
FIREWALLS = frozenset({"firewalld", "ufw"})
_TABLE = re.compile(r"table (?P<family>\w+) (?P<name>\S+) \{")
_CHAIN = re.compile(r"\s*chain (?P<name>\S+) \{")
_BASE = re.compile(r"\s*type \w+ hook (?P<hook>\w+) .*policy (?P<policy>\w+);")
HOOKS = frozenset({"forward", "input", "output", "prerouting", "postrouting"})
LEGACY = {"iptables-legacy": "/proc/net/ip_tables_names", "ip6tables-legacy": "/proc/net/ip6_tables_names"}


class Chain(msgspec.Struct, frozen=True):
    """One chain of nftables or iptables; a base chain has a hook and a policy."""

    table: str
    name: str
    hook: str = ""
    policy: str = ""


def owner(name: str) -> str:
    """Whose a table or a chain of this name is; empty where its program is not known."""
    return next((who for who, pattern in OWNERS if pattern.match(name)), "")


def chains(listing: str) -> Iterator[Chain]:
    """Return the chains in the text of `nft list chains`."""
    table = name = ""
    for line in listing.splitlines():
        if found := _TABLE.match(line):
            table, name = f"{found['family']} {found['name']}", ""
        elif found := _CHAIN.match(line):
            name = found["name"]
            yield Chain(table, name)
        elif (found := _BASE.match(line)) and name:
            yield Chain(table, name, found["hook"], found["policy"])


def saved_chains(program: str, listing: str) -> Iterator[Chain]:
    """Return the chains in the text of `iptables-save`; the built-in ones are base chains."""
    table = ""
    for line in listing.splitlines():
        if line.startswith("*"):
            table = f"{program} {line[1:]}"
        elif line.startswith(":"):
            name, policy, *_ = line[1:].split()
            base = name.lower() in HOOKS
            yield Chain(table, name, name.lower() if base else "", policy.lower() if base else "")


def judge(found: Iterable[Chain]) -> tuple[tuple[ForeignRules, ...], tuple[DroppingChain, ...]]:
    """Return whose rules there are, each owner once, and the base chains of others that drop."""
    owners: dict[str, str] = {}
    dropping: list[DroppingChain] = []
    for chain in found:
        table = chain.table.split()[-1]
        if table.startswith(OWN_TABLES):
            continue
        for name in (table, chain.name):
            if who := owner(name):
                where = f"table {chain.table}" if name == table else f"chain {chain.name} of table {chain.table}"
                owners.setdefault(who, where)
        if chain.policy == "drop" and chain.hook in {"forward", "prerouting"}:
            dropping.append(DroppingChain(chain.table, chain.name, chain.hook))
    return tuple(ForeignRules(who, where) for who, where in owners.items()), tuple(dropping)


def legacy_chains() -> Iterator[Chain]:
    """Return the chains of iptables' old variant, where it is in use and its program is there to read them."""
    for program, names in LEGACY.items():
        path, save = Path(names), shutil.which(f"{program}-save")
        if path.exists() and path.read_text().strip() and save is not None:
            saved = subprocess.run([save], capture_output=True, text=True, errors="replace", check=False)
            yield from saved_chains(program, saved.stdout)
