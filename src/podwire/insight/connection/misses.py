"""Why a selector, a block or a port of a rule does not fit: by which label, with what there is instead. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping

from podwire.insight.connection.points import Kind, Point
from podwire.kube.meta import LabelSelector, LabelSelectorRequirement
from podwire.kube.selectors import requirement_matches
from podwire.policy.model import Block, Identity, Pods, PortName, Ports

OPERATORS = {"In": "in", "NotIn": "not in", "Exists": "exists", "DoesNotExist": "does not exist"}


def selector_text(selector: LabelSelector) -> str:
    """Return a selector as kubectl writes it: `app=web,tier in (a,b)`; `{}` for an empty one."""
    parts = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    parts += [_requirement(one) for one in selector.match_expressions]
    return ",".join(parts) or "{}"


def _requirement(one: LabelSelectorRequirement) -> str:
    if one.operator == "Exists":
        return one.key
    if one.operator == "DoesNotExist":
        return f"!{one.key}"
    return f"{one.key} {OPERATORS.get(one.operator, one.operator)} ({','.join(one.values)})"


def label_miss(selector: LabelSelector, labels: Mapping[str, str], who: str) -> str:
    """Return by which labels the selector misses, and what there is instead."""
    return "; ".join(_label_misses(selector, labels, who)) or f"{who} is not selected"


def _label_misses(selector: LabelSelector, labels: Mapping[str, str], who: str) -> Iterator[str]:
    for key, value in sorted(selector.match_labels.items()):
        if labels.get(key) != value:
            yield f"{key}={value}: {who} {_instead(key, labels)}"
    for one in selector.match_expressions:
        if not requirement_matches(one, labels):
            yield f"{_requirement(one)}: {who} {_instead(one.key, labels)}"


def _instead(key: str, labels: Mapping[str, str]) -> str:
    if key in labels:
        return f"has {key}={labels[key]}"
    near = difflib.get_close_matches(key, labels, 1, 0.7)
    return f"has no label {key}{f', but {near[0]}={labels[near[0]]}' if near else ''}"


def peer_misses(
    peer: Pods | Block, home: str, point: Point, namespaces: Callable[[str], Mapping[str, str] | None]
) -> Iterator[tuple[str, str]]:
    """Yield field and reason of each part of a peer that does not mean the point."""
    if isinstance(peer, Block):
        yield "ipBlock", _block_miss(peer, point)
        return
    field = "podSelector" if peer.namespaces is None else "namespaceSelector"
    if point.identity is None:
        what = "a pod of the node's network" if point.workload is not None else "no pod"
        yield field, f"selectors mean pods, and {point.name} is {what}"
        return
    yield from _namespace_miss(peer, home, point.identity, namespaces)
    if not point.identity.selected_by(peer.pods):
        yield "podSelector", label_miss(peer.pods, dict(point.identity.labels), point.name)


def _namespace_miss(
    peer: Pods, home: str, identity: Identity, namespaces: Callable[[str], Mapping[str, str] | None]
) -> Iterator[tuple[str, str]]:
    who = f"namespace {identity.namespace}"
    if peer.namespaces is None:
        if identity.namespace != home:
            yield (
                "podSelector",
                f"without a namespaceSelector it means pods of {home} only, not of {identity.namespace}",
            )
        return
    labels = namespaces(identity.namespace)
    if labels is None:
        yield "namespaceSelector", f"{selector_text(peer.namespaces)}: {who} is not known"
        return
    text = "; ".join(_label_misses(peer.namespaces, labels, who))
    if text:
        yield "namespaceSelector", text


def _block_miss(block: Block, point: Point) -> str:
    shown = str(block.network) + (f" except {', '.join(map(str, block.excepts))}" if block.excepts else "")
    if point.held_by(block) is None:
        return f"{shown}: {_unknown_address(point)}"
    if block.network.version != point.family:
        return f"{shown}: the connection is of IPv{point.family}"
    if point.addresses:
        address = point.addresses[0]
        excepted = next((one for one in block.excepts if address in one), None)
        return f"{shown}: {address} is in the exception {excepted}" if excepted else f"{shown}: does not hold {address}"
    where = ", ".join(map(str, point.networks)) or point.name
    return f"{shown}: does not hold {where}"


def _unknown_address(point: Point) -> str:
    if point.kind is Kind.POD and point.addresses:
        return f"holds some of the pods of {point.name}"
    if point.kind is Kind.POD:
        return f"it depends on the address that {point.name} gets ({', '.join(map(str, point.networks))})"
    if point.kind is Kind.OUTSIDE:
        return "it depends on the address outside: write an IP address for it"
    return f"holds some of {point.name}" if point.networks else f"the address of {point.name} is not known"


def port_miss(
    ports: tuple[Ports | PortName, ...], protocol: str, port: int, receiver: Point, service_port: int | None
) -> str:
    """Return why none of a rule's ports fits; `service_port` is the Service's port on the way, if it is another."""
    if not ports:
        return "no entry is valid, so none admits"
    parts = [_named_miss(one, receiver) for one in ports if isinstance(one, PortName) and one.protocol == protocol]
    numbers = [one for one in ports if isinstance(one, Ports)]
    shown = ", ".join(map(port_text, ports))
    text = f"{shown}: not {port}/{protocol}"
    if service_port not in (None, port):
        fits = any(one.protocol == protocol and one.first <= (service_port or 0) <= one.last for one in numbers)
        if fits:
            return f"{text}; {service_port} is the Service's port, and policies see the pod's, {port}"
    return "; ".join((text, *filter(None, parts)))


def port_text(one: Ports | PortName) -> str:
    """Return a port as `kubectl describe` writes it: `80/TCP`, `http/TCP`, `8000-9000/UDP`."""
    if isinstance(one, PortName):
        return f"{one.name}/{one.protocol}"
    if (one.first, one.last) == (0, 65535):
        return f"any/{one.protocol}"
    return f"{one.first}{f'-{one.last}' if one.last != one.first else ''}/{one.protocol}"


def _named_miss(one: PortName, receiver: Point) -> str:
    if receiver.identity is None:
        return f"{receiver.name} has no named ports, as it is no pod"
    numbers = list(one.numbers(receiver.identity))
    if numbers:
        return f"{one.name} is {', '.join(map(str, numbers))} on {receiver.name}"
    known = ", ".join(f"{each.name}={each.number}" for each in receiver.identity.ports) or "none"
    return f"no container of {receiver.name} has a port named {one.name} (named ports: {known})"
