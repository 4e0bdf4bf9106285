"""Nodes of Services that were requested not long ago, made from the one row of each Service."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from podwire.dns.service_names import ServiceNames
from podwire.dns.service_nodes import ServiceNode, service_node

MOST_RECORDS = 8192
"""Of all that is kept, but for the newest Service: 2 MB."""
NODE_RECORDS = 4
"""What a node takes besides its records, in records: most have one, and take a kilobyte."""


class Expansions:
    """Nodes by the wire name of their Service; those of the one that was requested longest ago make room."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, dict[tuple[str, ...], ServiceNode]] = OrderedDict()
        self._records = 0

    def find(self, name: bytes, service: ServiceNames, labels: Sequence[str]) -> ServiceNode | None:
        """The node of the name with these labels before that of the Service; None where there is none."""
        key, nodes = tuple(labels), self._kept.get(name)
        if nodes is not None:
            self._kept.move_to_end(name)
            if key in nodes:
                return nodes[key]
        made = service_node(service, labels)
        if made is None:
            return None
        self._kept.setdefault(name, {})[key] = made
        self._records += NODE_RECORDS + made.weight
        while self._records > MOST_RECORDS and len(self._kept) > 1:
            self._drop(self._kept.popitem(last=False)[1])
        return made

    def remove(self, name: bytes) -> None:
        """The Service changed."""
        self._drop(self._kept.pop(name, {}))

    def clear(self) -> None:
        """All changed."""
        self._kept.clear()
        self._records = 0

    def _drop(self, nodes: dict[tuple[str, ...], ServiceNode]) -> None:
        self._records -= sum(NODE_RECORDS + one.weight for one in nodes.values())
