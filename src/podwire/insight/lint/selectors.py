"""Selectors as a reader sees them: which of two selects more, and labels that no pod has, with the nearest. Pure."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from podwire.kube.meta import LabelSelector, LabelSelectorRequirement
from podwire.policy.model import Block, Peer, PortName, Ports, Rule

Labels = Mapping[str, str]


class LabelIndex:
    """Which labels there are."""

    def __init__(self, labels: Iterable[Labels]) -> None:
        self._values: defaultdict[str, set[str]] = defaultdict(set)
        for one in labels:
            for key, value in one.items():
                self._values[key].add(value)

    def missing(self, selector: LabelSelector) -> Iterator[tuple[str, str]]:
        """Yield labels that the selector needs and no pod has: key and value, an empty value for any."""
        for key, value in selector.match_labels.items():
            if value not in self._values.get(key, ()):
                yield key, value
        for one in selector.match_expressions:
            known = self._values.get(one.key, set())
            if one.operator == "In" and known.isdisjoint(one.values):
                yield one.key, one.values[0] if one.values else ""
            elif one.operator == "Exists" and not known:
                yield one.key, ""

    def nearest(self, key: str, value: str) -> list[str]:
        """Return up to three labels that are there and look like a missing one, as `key=value`."""
        if key in self._values:
            values = sorted(self._values[key])
            found = difflib.get_close_matches(value, values, 3, 0.5) or values[:3]
            return [f"{key}={one}" for one in found]
        keys = difflib.get_close_matches(key, sorted(self._values), 3, 0.6)
        keys += [one for one in sorted(self._values) if one.rpartition("/")[2] == key.rpartition("/")[2] != key]
        same_value = [one for one, values in sorted(self._values.items()) if value and value in values]
        found = [f"{one}={value}" for one in same_value if value] + [
            f"{one}={other}" for one in keys for other in sorted(self._values[one])[:1] if one not in same_value
        ]
        return list(dict.fromkeys(found))[:3]


def covers_rule(wide: Rule, narrow: Rule, *, same_home: bool) -> bool:
    """Whether a rule admits all that another admits, whatever pods there are. Homes are the policies' namespaces."""
    if wide.ports is not None and (narrow.ports is None or not _covers_ports(wide.ports, narrow.ports)):
        return False
    if wide.peers is None:
        return True
    if narrow.peers is None:
        return False
    return all(any(covers_peer(one, peer, same_home=same_home) for one in wide.peers) for peer in narrow.peers)


def covers_peer(wide: Peer, narrow: Peer, *, same_home: bool = True) -> bool:
    """Whether a peer means all that another means."""
    if isinstance(wide, Block) or isinstance(narrow, Block):
        return isinstance(wide, Block) and isinstance(narrow, Block) and _covers_block(wide, narrow)
    if wide.namespaces is None:
        return same_home and narrow.namespaces is None and covers(wide.pods, narrow.pods)
    if narrow.namespaces is None:
        return wide.namespaces == LabelSelector() and covers(wide.pods, narrow.pods)
    return covers(wide.namespaces, narrow.namespaces) and covers(wide.pods, narrow.pods)


def covers(wide: LabelSelector, narrow: LabelSelector) -> bool:
    """Whether a selector surely selects all that another selects."""
    known: defaultdict[str, list[LabelSelectorRequirement]] = defaultdict(list)
    for one in _requirements(narrow):
        known[one.key].append(one)
    return all(any(_implies(has, needed) for has in known[needed.key]) for needed in _requirements(wide))


def _requirements(selector: LabelSelector) -> Iterator[LabelSelectorRequirement]:
    for key, value in selector.match_labels.items():
        yield LabelSelectorRequirement(key=key, operator="In", values=(value,))
    yield from selector.match_expressions


def _implies(has: LabelSelectorRequirement, needed: LabelSelectorRequirement) -> bool:
    given, desired = set(has.values), set(needed.values)
    match has.operator, needed.operator:
        case "In", "In":
            return given <= desired
        case "In", "NotIn":
            return given.isdisjoint(desired)
        case "In" | "Exists", "Exists":
            return True
        case "NotIn", "NotIn":
            return desired <= given
        case "DoesNotExist", "DoesNotExist" | "NotIn":
            return True
        case _:
            return False


def _covers_block(wide: Block, narrow: Block) -> bool:
    if wide.network.version != narrow.network.version or not narrow.network.subnet_of(wide.network):  # type: ignore[arg-type]
        return False
    return all(
        not hole.overlaps(narrow.network) or any(hole.subnet_of(one) for one in narrow.excepts)  # type: ignore[arg-type]
        for hole in wide.excepts
    )


def _covers_ports(wide: Iterable[Ports | PortName], narrow: Iterable[Ports | PortName]) -> bool:
    known = tuple(wide)
    return all(
        one in known or (isinstance(one, Ports) and any(_holds(other, one) for other in known)) for one in narrow
    )


def _holds(wide: Ports | PortName, narrow: Ports) -> bool:
    return (
        isinstance(wide, Ports)
        and wide.protocol == narrow.protocol
        and wide.first <= narrow.first
        and narrow.last <= wide.last
    )


def shown(selector: LabelSelector) -> str:
    """Return a selector as kubectl writes it: `app=web,tier in (a,b)`; `all` where it is empty."""
    parts = [f"{key}={value}" for key, value in selector.match_labels.items()]
    for one in selector.match_expressions:
        values = f"({','.join(one.values)})"
        forms = {"In": f"{one.key} in {values}", "NotIn": f"{one.key} notin {values}", "Exists": one.key}
        parts.append(forms.get(one.operator, f"!{one.key}"))
    return ",".join(parts) or "all"
