"""Whether NetworkPolicies allow a connection, read from the objects as they are written, in the plainest way.

It shares nothing with the model: what it says is what the API's documentation says, line by line.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

Object = dict[str, Any]


def selects(selector: Object | None, labels: Object) -> bool:
    """Whether a label selector selects these labels."""
    selector = selector or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for one in selector.get("matchExpressions") or ():
        value = labels.get(one["key"])
        fits = {
            "In": value in (one.get("values") or ()),
            "NotIn": value not in (one.get("values") or ()),
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[one["operator"]]
        if not fits:
            return False
    return True


def allowed(policies: Iterable[Object], namespaces: Object, source: Object, server: Object, port: int) -> bool:
    """Whether pod `source` may connect to TCP `port` of pod `server`: both have namespace, labels, address, ports."""
    found = list(policies)
    return admitted(found, namespaces, "Egress", source, server, server, port) and admitted(
        found, namespaces, "Ingress", server, source, server, port
    )


def admitted(
    policies: list[Object], namespaces: Object, type_: str, pod: Object, other: Object, server: Object, port: int
) -> bool:
    """Whether one end of a connection is admitted: `pod` is that end, `other` may be an address without labels."""
    applying = [
        one for one in policies
        if one["metadata"]["namespace"] == pod["namespace"] and type_ in one["spec"]["policyTypes"]
        and selects(one["spec"].get("podSelector"), pod["labels"])
    ]  # fmt: skip
    if not applying:
        return True
    field, peers = ("egress", "to") if type_ == "Egress" else ("ingress", "from")
    return any(
        (not rule.get(peers) or any(_means(peer, one, namespaces, other) for peer in rule[peers]))
        and (not rule.get("ports") or any(_is_port(each, server, port) for each in rule["ports"]))
        for one in applying
        for rule in one["spec"].get(field) or ()
    )


def _means(peer: Object, policy: Object, namespaces: Object, other: Object) -> bool:
    if "ipBlock" in peer:
        address = ipaddress.ip_address(other["address"])
        block = peer["ipBlock"]
        excepted = any(address in ipaddress.ip_network(one) for one in block.get("except") or ())
        return address in ipaddress.ip_network(block["cidr"]) and not excepted
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], namespaces[other["namespace"]]):
            return False
    elif other["namespace"] != policy["metadata"]["namespace"]:
        return False
    return selects(peer.get("podSelector"), other["labels"])


def _is_port(one: Object, server: Object, port: int) -> bool:
    if one.get("protocol", "TCP") != "TCP":
        return False
    wanted = one.get("port")
    if isinstance(wanted, str):
        return bool(server["ports"].get(wanted) == port)
    return wanted is None or bool(wanted <= port <= (one.get("endPort") or wanted))
