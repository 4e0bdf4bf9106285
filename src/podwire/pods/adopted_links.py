"""A pod's link that an earlier plugin of the chain made: taken over by the node's end, so that podwire's rules hold.

The node's end gets podwire's name, by which all rules know pods, and keeps its own as an alternative name, by which the
earlier plugin finds it. Both ends get fixed neighbours, as a link of podwire's own has. What the earlier plugin made in
the pod stays, and the link goes when that plugin removes it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator

import msgspec

from podwire.kernel import links, routes, sysctl
from podwire.kernel.elements import IPAddress
from podwire.kernel.links import Link
from podwire.kernel.netlink import Netlink, NetlinkError
from podwire.kernel.routes import Neighbour
from podwire.pods.attachment import Attachment
from podwire.pods.links import NODE_END, alias_of, node_neighbours, node_routes, refuse_own_namespace
from podwire.pods.uplink import Uplink


class UnsuitableLinkError(Exception):
    """The link is of a kind whose packets podwire's rules would not see. The text has the remedy."""


class Ends(msgspec.Struct, frozen=True):
    """Both ends of a link: the node's and the pod's."""

    near: Link
    far: Link


def find(netns: str, interface: str) -> Ends:
    """Return the link of this interface of a pod. Raises OSError and UnsuitableLinkError."""
    with Netlink() as node, Netlink(netns) as pod, open(netns) as namespace:
        refuse_own_namespace(netns, namespace.fileno())
        far = links.find(pod, interface)
        if far is None:
            raise UnsuitableLinkError(f"there is no interface {interface} in {netns}, which prevResult names")
        near = links.find(node, index=far.peer) if far.peer else None
        if far.kind != "veth" or near is None or near.kind != "veth" or near.peer != far.index:
            raise UnsuitableLinkError(
                f"{interface} is no veth pair with an end on the node ({far.kind or 'physical'}): its packets do not"
                " pass the node's rules; chain podwire behind a plugin such as ptp"
            )
        if near.master:
            master = links.find(node, index=near.master)
            name = "a bridge" if master is None else master.name
            raise UnsuitableLinkError(
                f"{near.name} is a port of {name}: what pods of this node send each other through it passes no rules;"
                " chain podwire behind a plugin that routes, such as ptp, or let podwire make the links"
            )
    return Ends(near, far)


def host_names(ends: Ends, names: Iterable[str]) -> frozenset[str]:
    """Return those of these names that are the node's end's, alternative ones included. Raises OSError."""
    with Netlink() as node:
        found = {name: links.find(node, name) for name in names}
    return frozenset(name for name, link in found.items() if link is not None and link.index == ends.near.index)


def take_over(attachment: Attachment, ends: Ends) -> None:
    """Give the node's end its name and both ends their neighbours; repeatable. Raises OSError.

    From the new name on the pod is closed, until the rules know it.
    """
    name = attachment.host_interface
    with Netlink() as node, Netlink(attachment.netns) as pod:
        if ends.near.name != name:
            rename(node, ends.near, name)
            node.run([links.add_alternative_name(ends.near.index, ends.near.name)])
        node.run([links.set_alias(name, alias_of(attachment))])
        pod.run(routes.replace_neighbour(each) for each in _gateways(pod, ends))
    sysctl.write({path.format(link=name): value for path, value in NODE_END.items()})


def rename(node: Netlink, link: Link, name: str) -> None:
    """Rename a link that may be up. Raises OSError."""
    try:
        node.run([links.rename(link.index, name)])
    except NetlinkError as error:
        if error.errno != errno.EBUSY:
            raise
        rename_down(node, link, name)


def rename_down(node: Netlink, link: Link, name: str) -> None:
    """Rename a link as before Linux 6.2: while it is down, which costs it its routes and its IPv6 addresses."""
    ways = [way for version in (4, 6) for way in routes.routes(node, version) if way.link == link.index]
    held = [entry.address for entry in links.addresses(node) if entry.link == link.index]
    node.run([links.take_down(link.name), links.rename(link.index, name), links.bring_up(name)])
    lost = set(held) - {entry.address for entry in links.addresses(node) if entry.link == link.index}
    node.run([*(links.add_address(link.index, address) for address in lost), *map(routes.replace_route, ways)])


def _gateways(pod: Netlink, ends: Ends) -> Iterator[Neighbour]:
    """The pod's gateways on its link: all are the node's end."""
    found: set[IPAddress] = set()
    for version in (4, 6):
        for way in routes.routes(pod, version):
            if way.link == ends.far.index and way.gateway is not None:
                found.add(way.gateway)
    return (Neighbour(ends.far.index, gateway, ends.near.mac) for gateway in found)


def differences(attachment: Attachment, uplink: Uplink) -> Iterator[str]:
    """Return what is not as `take_over` and `connect` left it, in words. Raises OSError."""
    name = attachment.host_interface
    try:
        ends = find(attachment.netns, attachment.key.interface)
    except UnsuitableLinkError as error:
        yield str(error)
        return
    if ends.near.name != name:
        yield f"the node's end is named {ends.near.name} instead of {name}"
    if ends.far.mac != attachment.mac:
        yield f"interface {ends.far.name} has the hardware address {ends.far.mac} instead of {attachment.mac}"
    with Netlink() as node, Netlink(attachment.netns) as pod:
        held = {entry.address for entry in links.addresses(pod) if entry.link == ends.far.index}
        known = frozenset(routes.neighbours(node, ends.near.index))
        routed = frozenset(way for version in (4, 6) for way in routes.routes(node, version))
    for address in sorted(set(attachment.addresses) - held, key=str):
        yield f"interface {ends.far.name} lacks the address {address}"
    for neighbour in node_neighbours(attachment, ends.near.index):
        if neighbour not in known:
            yield f"neighbour {neighbour.address} of interface {name} is missing"
    for way in node_routes(attachment, ends.near.index, uplink):
        if way not in routed:
            yield f"the route to {way.destination} by interface {name} is missing"
