"""A node without podwire: remove all that its agent changed, and restore what was there before.

The list is the table "What the agent changes on its node" of docs/architecture.md. Every step may be repeated, and one
that fails stops no other. Connections of the node's pods end, as their links do; links that another plugin of the chain
made stay, with the routes to them, until that plugin removes them.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

import msgspec

from podwire.agent.config import SYSCTL_RECORD
from podwire.announcement import sink as announcement
from podwire.egress import route_sink as egress
from podwire.kernel import links, nft_tables, policy_routes, proxy_neighbours, routes
from podwire.kernel.netlink import Netlink, NetlinkError
from podwire.kernel.nftables import Nftables, NftablesError
from podwire.kernel.sysctl_record import SysctlRecord
from podwire.pods import links as pod_links
from podwire.pods import node_routes
from podwire.pods.runtime import node_files, ready_mark
from podwire.pods.runtime.node_files import NodeFiles
from podwire.redirection.sink import way_removal

TABLE_PREFIX = "podwire-"
LINK_PREFIX = "podwire."
"""Names of the tables and of the devices of a node, beside the links of its pods."""
PROTOCOLS = (node_routes.ROUTE_PROTOCOL, pod_links.ROUTE_PROTOCOL, announcement.PROTOCOL, egress.PROTOCOL)


class Restoration(msgspec.Struct, frozen=True):
    """What was done, and what failed: each one line."""

    done: tuple[str, ...]
    failed: tuple[str, ...]


def restore(files: NodeFiles) -> Restoration:
    """Restore the node whose network namespace this thread is in. No agent may run there meanwhile."""
    done: list[str] = []
    failed: list[str] = []
    for step in (_files, _tables, _links, _routes, _sysctls, _state):
        try:
            done += step(files)
        except (OSError, NetlinkError, NftablesError) as error:
            failed.append(f"{step.__name__.lstrip('_')}: {error}")
            if step is _sysctls:
                break  # the values before are in the state folder, which the next attempt needs
    return Restoration(tuple(done), tuple(failed))


def _files(files: NodeFiles) -> list[str]:
    """The mark goes first: without it the plugin's STATUS fails, and no pod waits for an agent."""
    files.socket.with_name(files.socket.name + ready_mark.SUFFIX).unlink(missing_ok=True)
    return node_files.remove(files)


def _tables(_: NodeFiles) -> list[str]:
    with contextlib.closing(Nftables()) as nftables:
        found = [table for table in nft_tables.present() if table.partition(" ")[2].startswith(TABLE_PREFIX)]
        nftables.run("".join(f"delete table {table}\n" for table in found))
    return [f"removed nftables table {table}" for table in found]


def _links(_: NodeFiles) -> list[str]:
    with Netlink() as netlink:
        devices = [link.name for link in links.links(netlink) if link.name.startswith(LINK_PREFIX)]
        adopted = pod_links.adopted()
        pods = [link.name for link in pod_links.present().values() if link.index not in adopted]
        netlink.run([links.delete(name) for name in (*devices, *pods)])
    return [*(f"removed link {name}" for name in devices), *([f"removed {len(pods)} links of pods"] if pods else [])]


def _routes(_: NodeFiles) -> list[str]:
    with Netlink() as netlink:
        made = (
            way for protocol in PROTOCOLS for version in (4, 6) for way in routes.routes(netlink, version, protocol)
        )
        adopted = pod_links.adopted()
        found = [way for way in made if way.link not in adopted]
        announced = (announcement.PROTOCOL, egress.PROTOCOL)
        proxies = [one for protocol in announced for one in proxy_neighbours.proxy_neighbours(netlink, protocol)]
        netlink.run([*map(routes.delete_route, found), *map(proxy_neighbours.delete, proxies), *way_removal()])
        count = len(found) + _gateways(netlink)
    return [*_counted(count, "routes"), *_counted(len(proxies), "announced addresses")]


def _gateways(netlink: Netlink) -> int:
    """Remove the route tables of egress gateways and the rules that lead to them; return how many routes there were."""
    rules = list(policy_routes.source_rules(netlink, egress.PROTOCOL))
    found = list(policy_routes.table_routes(netlink, egress.PROTOCOL))
    netlink.run([*map(policy_routes.delete_rule, rules), *map(policy_routes.delete_route, found)])
    return len(found)


def _counted(number: int, things: str) -> Iterator[str]:
    if number:
        yield f"removed {number} {things}"


def _sysctls(files: NodeFiles) -> list[str]:
    return [f"restored sysctl {name}" for name in SysctlRecord(files.state / SYSCTL_RECORD).restore()]


def _state(files: NodeFiles) -> list[str]:
    """The folder itself may be a mount of this container: it stays, empty."""
    removed = False
    for entry in files.state.iterdir() if files.state.is_dir() else ():
        removed = True
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    with contextlib.suppress(OSError):
        files.state.rmdir()
    return [f"removed the state in {files.state}"] if removed else []
