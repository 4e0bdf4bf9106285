"""A pod's link in the kernel: a veth pair between the node and the pod, with routes instead of a bridge.

Each end knows its one neighbour for good, so neither side ever sends or accepts ARP or neighbour discovery.
The functions block for some milliseconds; they run in worker threads of the agent.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import socket
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address

import msgspec

from podwire.kernel import links, routes, sysctl
from podwire.kernel.elements import IPAddress
from podwire.kernel.links import Link, VethEnd
from podwire.kernel.namespaces import inside_network
from podwire.kernel.netlink import Netlink, NetlinkError, Request
from podwire.kernel.routes import Neighbour, Route
from podwire.kernel.sysctl_record import WriteSysctls
from podwire.pods.attachment import LINK_PREFIX, Attachment
from podwire.pods.uplink import Uplink

log = logging.getLogger(__name__)

GATEWAYS: dict[int, IPAddress] = {4: IPv4Address("169.254.1.1"), 6: IPv6Address("fe80::1")}
"""The next hop in every pod. No interface has these addresses: a permanent neighbour leads to the node's end."""
NODE_MAC = "ee:ee:ee:ee:ee:ee"
"""The hardware address of the node's end: it is seen on this one cable only, so all can have the same."""
ROUTE_PROTOCOL = 113
"""Marks the node's routes to its pods (rtnetlink(7), rtm_protocol); 112 marks those to other nodes."""
_ALIAS = "podwire "
_ADOPTED = "podwire adopted "
_EVERYWHERE = {4: ipaddress.ip_network("0.0.0.0/0"), 6: ipaddress.ip_network("::/0")}

NODE_END = {
    "net/ipv6/conf/{link}/addr_gen_mode": 1,
    "net/ipv6/conf/{link}/accept_ra": 0,
    "net/ipv6/conf/{link}/accept_redirects": 0,
    "net/ipv6/conf/{link}/proxy_ndp": 0,
    "net/ipv4/conf/{link}/accept_redirects": 0,
    "net/ipv4/conf/{link}/send_redirects": 0,
    "net/ipv4/conf/{link}/proxy_arp": 0,
    "net/ipv4/conf/{link}/rp_filter": 1,
}
_POD_END = {
    "net/ipv6/conf/{link}/addr_gen_mode": 1,
    "net/ipv6/conf/{link}/accept_ra": 0,
    "net/ipv6/conf/{link}/accept_redirects": 0,
    "net/ipv6/conf/{link}/router_solicitations": 0,
    "net/ipv4/conf/{link}/accept_redirects": 0,
}
_NODE = {
    "net/ipv4/ip_forward": 1,
    "net/ipv6/conf/all/forwarding": 1,
    "net/ipv4/conf/all/accept_source_route": 0,
    "net/ipv4/conf/all/send_redirects": 0,
}


class ForeignLinkError(Exception):
    """The pod has an interface of that name which podwire did not make."""


def prepare_node(write: WriteSysctls = sysctl.write) -> None:
    """Let this node forward between its links."""
    write(_NODE)


def make(attachment: Attachment, mtu: int) -> None:
    """Make the link with the pod's end complete and the node's end down: nothing can pass yet.

    What an earlier, broken attempt left is removed first. Raises OSError, and ForeignLinkError for a taken name.
    """
    name = attachment.host_interface
    far = VethEnd(attachment.key.interface, attachment.mac)
    near = VethEnd(name, NODE_MAC)
    with Netlink() as node, open(attachment.netns) as namespace:
        refuse_own_namespace(attachment.netns, namespace.fileno())
        node.run([links.delete(name)])
        try:
            node.run([links.veth(near, far, namespace.fileno(), mtu)])
        except NetlinkError as error:
            if error.errno == errno.EEXIST:
                raise ForeignLinkError(f"{far.name} exists already in {attachment.netns}") from None
            raise
        node.run([links.set_alias(name, alias_of(attachment))])
    sysctl.write({path.format(link=name): value for path, value in NODE_END.items()})
    _furnish(attachment)


def alias_of(attachment: Attachment) -> str:
    """The text by which a link is known as podwire's, and its pod is shown."""
    return (_ADOPTED if attachment.is_adopted else _ALIAS) + str(attachment.pod)


def refuse_own_namespace(path: str, namespace: int) -> None:
    """A pod in the node's own namespace would get the node's routes replaced."""
    own, there = os.stat("/proc/thread-self/ns/net"), os.fstat(namespace)
    if there.st_dev != own.st_dev:
        raise OSError(errno.EINVAL, "this is no network namespace", path)
    if there.st_ino == own.st_ino:
        raise OSError(errno.EINVAL, "this is the node's own network namespace", path)


def _furnish(attachment: Attachment) -> None:
    """Set up the pod's end."""
    name = attachment.key.interface
    with inside_network(attachment.netns):
        sysctl.write({path.format(link=name): value for path, value in _POD_END.items()})
        index = socket.if_nametoindex(name)
        with Netlink() as pod:
            pod.run([links.bring_up("lo"), *_pod_requests(attachment, index)])


def _pod_requests(attachment: Attachment, index: int) -> Iterator[Request]:
    for address in attachment.addresses:
        yield links.add_address(index, address)
    yield links.bring_up(attachment.key.interface)
    for neighbour in _pod_neighbours(attachment, index):
        yield routes.replace_neighbour(neighbour)
    for route in _pod_routes(attachment, index):
        yield routes.replace_route(route)


def _pod_neighbours(attachment: Attachment, index: int) -> Iterator[Neighbour]:
    for address in attachment.addresses:
        yield Neighbour(index, GATEWAYS[address.version], NODE_MAC)


def _pod_routes(attachment: Attachment, index: int) -> Iterator[Route]:
    for address in attachment.addresses:
        gateway = GATEWAYS[address.version]
        yield Route(_EVERYWHERE[address.version], ROUTE_PROTOCOL, index, gateway, onlink=True)


def connect(attachment: Attachment, uplink: Uplink) -> None:
    """Bring the node's end up and route the pod's addresses to it. Repeatable. Raises OSError."""
    index = socket.if_nametoindex(attachment.host_interface)
    with Netlink() as node:
        node.run(
            [
                links.bring_up(attachment.host_interface),
                *map(routes.replace_neighbour, node_neighbours(attachment, index)),
                *map(routes.replace_route, node_routes(attachment, index, uplink)),
            ]
        )


def is_live(attachment: Attachment) -> bool:
    """Whether both ends can send. The kernel drops packets in silence between bring-up and its own notice of it."""
    with Netlink() as node, Netlink(attachment.netns) as pod:
        ends = (links.find(node, attachment.host_interface), links.find(pod, attachment.key.interface))
    return all(end is not None and end.operational for end in ends)


def node_neighbours(attachment: Attachment, index: int) -> Iterator[Neighbour]:
    """The pod's addresses on the node's end of its link."""
    for address in attachment.addresses:
        yield Neighbour(index, address, attachment.mac)


def node_routes(attachment: Attachment, index: int, uplink: Uplink) -> Iterator[Route]:
    """The node's routes to the pod."""
    for address in attachment.addresses:
        yield Route(ipaddress.ip_network(address), ROUTE_PROTOCOL, index, source=uplink.source(address.version))


def follow(attachments: Iterable[Attachment], uplink: Uplink) -> None:
    """Give links that exist the uplink's mtu and the node's addresses as sources of its routes. Raises OSError.

    A pod's end that a later plugin of the chain made smaller than the node's end keeps its size.
    """
    with Netlink() as node:
        present = {link.name: link for link in links.links(node)}
        routed = frozenset(route for version in (4, 6) for route in routes.routes(node, version, ROUTE_PROTOCOL))
        requests: list[Request] = []
        for attachment in attachments:
            near = present.get(attachment.host_interface)
            if near is None:
                continue
            if near.mtu != uplink.mtu and not attachment.is_adopted:
                _resize(attachment, near.mtu, uplink.mtu)
                requests.append(links.set_mtu(near.name, uplink.mtu))
            missing = (route for route in node_routes(attachment, near.index, uplink) if route not in routed)
            requests += map(routes.replace_route, missing)
        node.run(requests)


def _resize(attachment: Attachment, before: int, mtu: int) -> None:
    """Change the pod's end where it has the size from before, or is too large."""
    name = attachment.key.interface
    try:
        with Netlink(attachment.netns) as pod:
            far = links.find(pod, name)
            if far is not None and (far.mtu == before or far.mtu > mtu):
                pod.run([links.set_mtu(name, mtu)])
    except OSError as error:
        log.warning("the link of %s keeps its mtu of %d: %s", attachment.pod, before, error)


def remove_unless_adopted(host_interface: str) -> None:
    """Remove a link that nothing is known of, unless it is an earlier plugin's. No error if it does not exist."""
    with Netlink() as node:
        link = links.find(node, host_interface)
        if link is not None and not link.alias.startswith(_ADOPTED):
            node.run([links.delete(host_interface)])


def remove(host_interface: str) -> None:
    """Remove a link, both ends, with its routes and neighbours. No error if it does not exist."""
    with Netlink() as node:
        node.run([links.delete(host_interface)])


def present() -> dict[str, Link]:
    """All links of pods on this node that podwire made, by name."""
    with Netlink() as node:
        return {
            link.name: link
            for link in links.links(node)
            if link.name.startswith(LINK_PREFIX) and link.alias.startswith(_ALIAS)
        }


def adopted() -> frozenset[int]:
    """The indices of the links that earlier plugins made and podwire took over."""
    return frozenset(link.index for link in present().values() if link.alias.startswith(_ADOPTED))


class _End(msgspec.Struct, frozen=True):
    """One namespace as CHECK sees it."""

    link: Link | None
    addresses: frozenset[IPAddress]
    neighbours: frozenset[Neighbour]
    routes: frozenset[Route]


def differences(attachment: Attachment, uplink: Uplink) -> Iterator[str]:
    """What is not as `make` and `connect` left it, in words; nothing when all is right. Raises OSError."""
    name, far = attachment.host_interface, attachment.key.interface
    node, pod = _look(name), _look(far, attachment.netns)
    for end, link, place in ((node, name, "the node"), (pod, far, attachment.netns)):
        if end.link is None:
            yield f"interface {link} is missing in {place}"
        elif not end.link.up:
            yield f"interface {link} in {place} is down"
        elif end.link.mtu > uplink.mtu or (end is node and end.link.mtu != uplink.mtu):
            # A later plugin of the chain may have made the pod's end smaller.
            yield f"interface {link} in {place} has an mtu of {end.link.mtu} instead of {uplink.mtu}"
    if node.link is None or pod.link is None:
        return
    if pod.link.mac != attachment.mac:
        yield f"interface {far} has the hardware address {pod.link.mac} instead of {attachment.mac}"
    if pod.addresses != frozenset(attachment.addresses):
        held = ", ".join(sorted(map(str, pod.addresses))) or "none"
        yield f"interface {far} has the addresses {held} instead of {', '.join(map(str, attachment.addresses))}"
    yield from _missing(node, node_neighbours(attachment, node.link.index), name)
    yield from _missing(pod, _pod_neighbours(attachment, pod.link.index), far)
    yield from _missing(node, node_routes(attachment, node.link.index, uplink), name)
    yield from _missing(pod, _pod_routes(attachment, pod.link.index), far)


def _missing(end: _End, desired: Iterator[Neighbour] | Iterator[Route], link: str) -> Iterator[str]:
    for item in desired:
        if isinstance(item, Route):
            if item not in end.routes:
                yield f"the route to {item.destination} by {link} is missing"
        elif item not in end.neighbours:
            yield f"the neighbour {item.address} on {link} is missing"


def _look(name: str, namespace: str | None = None) -> _End:
    with Netlink(namespace) as netlink:
        link = links.find(netlink, name)
        if link is None:
            return _End(None, frozenset(), frozenset(), frozenset())
        made = (route for version in (4, 6) for route in routes.routes(netlink, version, ROUTE_PROTOCOL))
        return _End(
            link,
            frozenset(entry.address for entry in links.addresses(netlink) if entry.link == link.index),
            frozenset(routes.neighbours(netlink, link.index)),
            frozenset(route for route in made if route.link == link.index),
        )
