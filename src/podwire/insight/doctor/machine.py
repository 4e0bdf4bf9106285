"""Read what a machine is set to: parameters, links, rules, network configurations."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from podwire.insight.doctor import foreign_rules
from podwire.insight.doctor.node_facts import CniFile, DroppingChain, ForeignRules, LinkFact
from podwire.kernel import links, sysctl
from podwire.kernel.netlink import Netlink
from podwire.kernel.nftables import Nftables
from podwire.pods.attachment import LINK_PREFIX
from podwire.pods.rows import TUNNEL
from podwire.pods.runtime.installation import PLUGIN_TYPE

FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
LOOSE = "net/netfilter/nf_conntrack_tcp_loose"
PARAMETERS = (*FORWARDING, LOOSE)
COUNT, LIMIT = "net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max"
OTHER_PLUGINS = frozenset(
    {
        "antrea",
        "aws-cni",
        "azure-vnet",
        "calico",
        "cilium-cni",
        "flannel",
        "kube-ovn",
        "ovn-k8s-cni-overlay",
        "weave-net",
    }
)
"""Names that pod networks give their plugins; those of containernetworking/plugins are used by several of them."""
CONFIGURATIONS = (".conf", ".conflist", ".json")
"""Endings of files that runtimes read. Source: containernetworking/cni `libcni`."""


def parameters() -> dict[str, str]:
    """Return those parameters that this kernel has."""
    found = ((name, _parameter(name)) for name in PARAMETERS)
    return {name: value for name, value in found if value is not None}


def _parameter(name: str) -> str | None:
    try:
        return sysctl.read(name)
    except OSError:
        return None


def conntrack() -> tuple[int, int] | None:
    """Return how many entries are used, and how many there may be; None without connection tracking."""
    count, limit = _parameter(COUNT), _parameter(LIMIT)
    return (int(count), int(limit)) if count is not None and limit is not None else None


def uplink(addresses: Iterable[str]) -> LinkFact | None:
    """Return the link with one of these addresses; of several the one with the smallest mtu."""
    desired = {ipaddress.ip_address(text) for text in addresses}
    with Netlink() as netlink:
        indexes = {entry.link for entry in links.addresses(netlink) if entry.address in desired}
        found = [link for index in indexes if (link := links.find(netlink, index=index)) is not None]
    smallest = min(found, key=lambda link: link.mtu, default=None)
    return None if smallest is None else LinkFact(smallest.name, smallest.kind, smallest.mtu)


def pod_links() -> tuple[LinkFact, ...]:
    """Return the links of pods and the tunnel. Of links with the same mtu only the first."""
    seen: dict[tuple[str, int], LinkFact] = {}
    with Netlink() as netlink:
        for link in links.links(netlink):
            if link.name == TUNNEL or (link.kind == "veth" and link.name.startswith(LINK_PREFIX)):
                seen.setdefault((link.kind, link.mtu), LinkFact(link.name, link.kind, link.mtu))
    return tuple(seen.values())


def rules() -> tuple[tuple[ForeignRules, ...], tuple[DroppingChain, ...]]:
    """Return the rules of others. Raises NftablesError and NftablesMissingError."""
    nft = Nftables()
    try:
        listing = nft.run("list chains")
    finally:
        nft.close()
    return foreign_rules.judge((*foreign_rules.chains(listing), *foreign_rules.legacy_chains()))


def cni_files(folder: Path) -> Iterator[CniFile]:
    """Return the network configurations of a folder in the order in which runtimes look at them."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(CONFIGURATIONS))
    except FileNotFoundError:
        return
    for name in names:
        try:
            content = json.loads((folder / name).read_bytes())
            plugins = content.get("plugins", [content])
            yield CniFile(name, tuple(str(plugin["type"]) for plugin in plugins))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            yield CniFile(name, problem=f"{type(error).__name__}: {error}")


def other_plugins(folder: Path) -> tuple[str, ...]:
    """Return the plugins of other pod networks in a folder of plugins."""
    try:
        return tuple(sorted(OTHER_PLUGINS & set(os.listdir(folder))))
    except FileNotFoundError:
        return ()


def plugin(folder: Path) -> tuple[str, bool]:
    """Return the path of podwire's plugin and whether it can be executed."""
    path = folder / PLUGIN_TYPE
    return str(path), path.is_file() and os.access(path, os.X_OK)
