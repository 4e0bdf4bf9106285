"""podwire as a later plugin of a list: what the earlier plugins' result has, and the result that is passed on. Pure.

Source: CNI specification 1.1.0, "prevResult".
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from podwire.kernel.elements import IPAddress, IPNetwork
from podwire.kube.addresses import usable
from podwire.pods.attachment import AttachmentKey
from podwire.pods.runtime.cni import CniError, Code, Result


def pod_addresses(previous: Result, key: AttachmentKey, ranges: Sequence[IPNetwork]) -> tuple[IPAddress, ...]:
    """Return the addresses of the pod's interface, IPv4 first. Raises CniError where podwire cannot serve them."""
    mine = [index for index, one in enumerate(previous.interfaces) if one.sandbox and one.name == key.interface]
    if not mine:
        raise CniError(
            Code.INVALID_CONFIGURATION, f"prevResult names no interface {key.interface} of the pod: put podwire behind"
            " the plugin that makes it",
        )  # fmt: skip
    found: dict[IPAddress, None] = {}
    for entry in previous.ips:
        if entry.interface is None or entry.interface in mine:
            found[_address(entry.address, ranges)] = None
    if not found:
        raise CniError(Code.INVALID_CONFIGURATION, f"prevResult has no address for interface {key.interface}")
    if len({address.version for address in found}) != len(found):
        raise CniError(Code.INVALID_CONFIGURATION, "prevResult has two addresses of one IP version for the pod")
    return tuple(sorted(found, key=lambda address: address.version))


def _address(text: str, ranges: Sequence[IPNetwork]) -> IPAddress:
    address = usable(text.partition("/")[0])
    if address is None:
        raise CniError(Code.INVALID_CONFIGURATION, f"prevResult: {text!r} is no address of a pod")
    if not any(address in network for network in ranges):
        raise CniError(
            Code.INVALID_CONFIGURATION,
            f"prevResult: {address} is outside of the agent's --pod-cidrs {', '.join(map(str, ranges))}",
        )
    return address


def node_interfaces(previous: Result) -> Iterator[str]:
    """Return the names of the interfaces that are on the node."""
    return (one.name for one in previous.interfaces if not one.sandbox)


def passed_on(previous: dict[str, Any], names: Collection[str], name: str, version: str) -> bytes:
    """Return the earlier result, in which the node's interface that had one of `names` has this name."""
    interfaces = [
        {**one, "name": name} if not one.get("sandbox") and one["name"] in names else one
        for one in previous.get("interfaces") or ()
    ]
    return json.dumps({**previous, "cniVersion": version, "interfaces": interfaces}).encode()
