"""Where an explanation and the kernel of a node differ: rows derived again, against rows read back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from podwire.insight.service.objects import ServiceObjects
from podwire.services import model
from podwire.services.derivation import Owner, rows
from podwire.services.leads import Lead, Leads
from podwire.services.model import Entry, Frontend
from podwire.services.node_view import NodeView
from podwire.services.pools import PoolAddress, Pools
from podwire.services.rows import Row
from podwire.services.word import LARGEST_POOL


class _OneService:
    """The view of a node that knows one Service only."""

    def __init__(self, objects: ServiceObjects, node: NodeView) -> None:
        self.node = node
        self._objects = objects

    def entries(self, _owner: Owner) -> Iterator[Entry]:
        return model.entries(self._objects.service, self._objects.slices, self.node)


def differences(
    objects: ServiceObjects, node: NodeView, held: Iterable[Row], taken: frozenset[Frontend] = frozenset()
) -> Iterator[str]:
    """Return, a sentence each, where the rows of a node lead elsewhere than the objects; numbers do not count.

    `taken` are frontends that an older Service has.
    """
    key = objects.service.key
    expected = Leads(rows(key, _OneService(objects, node), Pools[Owner](LARGEST_POOL))).all()
    found = Leads(held).all()
    for address, lead in expected.items():
        if address.frontend not in taken:
            yield from _difference(address, lead, found.get(address))
    for address in found.keys() - expected.keys():
        if _is_of(address, expected) and address.frontend not in taken:
            yield f"{_name(address)} {_words(found[address])}, and the Service has no such port"


def _difference(address: PoolAddress, desired: Lead, found: Lead | None) -> Iterator[str]:
    if found is None:
        yield f"{_name(address)} is missing; it {_words(desired)}"
    elif _words(found) != _words(desired):
        yield f"{_name(address)} {_words(found)}; by the objects it {_words(desired)}"


def _is_of(address: PoolAddress, expected: Mapping[PoolAddress, Lead]) -> bool:
    """Whether this is another port of one of the Service's addresses. Node ports have no address of their own."""
    frontend = address.frontend
    return not frontend.is_node_port and any(frontend.address == other.frontend.address for other in expected)


def _name(address: PoolAddress) -> str:
    frontend = address.frontend
    place = "node port" if frontend.is_node_port else frontend.address
    side = ", from outside," if address.outside else ""
    return f"{place} {frontend.protocol.upper()} {frontend.port}{' (IPv6)' if frontend.address == '::' else ''}{side}"


def _words(lead: Lead) -> str:
    """Return what a lead means, without its numbers."""
    meaning = lead.meaning
    if meaning.verdict is not None:
        text = "refuses" if meaning.verdict.name == "REFUSE" else "drops"
    else:
        slots = {f"{one.address}:{one.port}" if one is not None else "an empty slot" for one in lead.slots}
        text = f"leads to {', '.join(sorted(slots))}"
    if meaning.affinity_seconds:
        text += f" with affinity of {meaning.affinity_seconds} s"
    return text + (f" for clients in {', '.join(sorted(lead.sources)) or 'no range'}" if meaning.guarded else "")
