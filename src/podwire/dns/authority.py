"""Answers of the zone to a query: data, names without data, unknown names, aliases. Pure.

name            type               answer
known           has records        the records; those of SRV targets besides
known           CNAME              the alias, then the records of its target
known           no such records    NODATA: no error, SOA beside it (RFC 2308)
only above others   any            NODATA (RFC 8020)
unknown, ours   any                NXDOMAIN, SOA beside it
not ours        any                nothing: it is forwarded

Sources: RFC 1034 section 4.3.2, RFC 2308, RFC 8020, RFC 8482 (one type is enough of an answer to ANY).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import msgspec

from podwire.dns.corefile.kubernetes import REVERSE, covered
from podwire.dns.message import QUESTION_POINTER, Query, Rcode, Response, record
from podwire.dns.names import IPAddress, compress, labels, parent
from podwire.dns.node import RecordSet
from podwire.dns.records import PodAddresses, RecordType, address_data
from podwire.dns.sink import Found, Zone

LONGEST_CHAIN = 8
"""Aliases followed for one query; a longer chain is a loop for us."""

MOST_TARGETS = 32
"""SRV targets whose addresses are added; more would not fit into a packet."""


class Alias(msgspec.Struct, frozen=True):
    """The query ended at a name that is not ours: the records up to there, and that name in wire form."""

    records: tuple[bytes, ...]
    target: bytes


PodExists = Callable[[str, IPAddress], bool]
"""Whether a namespace has a pod with this address."""


class Authority:
    """Answers from one zone.

    `ttl` is for records that are made from a name's own text: names of pods, for which `pod_exists` is true. Unknown
    names below `fallthrough` are not answered.
    """

    def __init__(
        self,
        zone: Zone,
        ttl: int = 5,
        *,
        turned: bool = True,
        fallthrough: tuple[bytes, ...] = (),
        pod_exists: PodExists = lambda _, __: True,
    ) -> None:
        self._zone = zone
        self._ttl = ttl
        self._turned = turned
        self._fallthrough = fallthrough
        self._pod_exists = pod_exists

    def owns(self, query: Query) -> bool:
        """Whether the name lies in a zone of ours."""
        return self._zone.apex(query.key) is not None

    def answer(self, query: Query) -> Response | Alias | None:
        """Return the answer; None where the name is not ours."""
        node = self._zone.find(query.key)
        if node is not None:
            found = self._records(node, query.type)
            if found is not None:
                return self._positive(found, query)
            if RecordType.CNAME in node.types:
                return self._chain(query)
        return self._negative(query.key, query, (), exists=node is not None)

    def _records(self, node: Found, kind: int) -> RecordSet | None:
        if kind == RecordType.ANY:
            kind = min((one for one in node.types if one > 0), default=0)
        return self._zone.records(node, kind)

    def _positive(self, found: RecordSet, query: Query) -> Response:
        additional = self._addresses(found.targets, query) if query.type == RecordType.SRV else ()
        return Response(answer=found.records, additional=additional, authoritative=True, turned=self._turned)

    def _addresses(self, targets: tuple[bytes, ...], query: Query) -> tuple[bytes, ...]:
        """The address records of SRV targets."""
        found: list[bytes] = []
        for target in targets[:MOST_TARGETS]:
            node = self._zone.find(target)
            for kind in (RecordType.A, RecordType.AAAA):
                records = self._zone.records(node, kind) if node is not None else None
                if records is not None:
                    found += renamed(records.records, target, query)
        return tuple(found)

    def _chain(self, query: Query) -> Response | Alias:
        """Follow aliases from the query's name until records, a name that is not ours, or the limit."""
        chain: tuple[bytes, ...] = ()
        name = query.key
        for _ in range(LONGEST_CHAIN):
            node = self._zone.find(name)
            found = self._records(node, query.type) if node is not None else None
            if found is not None:
                return Response(answer=chain + renamed(found.records, name, query), authoritative=True)
            alias = self._zone.records(node, RecordType.CNAME) if node is not None else None
            if alias is None:
                return self._negative(name, query, chain, exists=node is not None) or Alias(chain, name)
            chain += renamed(alias.records[:1], name, query)
            name = alias.targets[0]
        return Response(Rcode.SERVFAIL, chain)

    def _negative(self, name: bytes, query: Query, chain: tuple[bytes, ...], *, exists: bool) -> Response | None:
        """No such data or no such name, with the zone's SOA; None where the name is not ours."""
        apex = self._zone.apex(name)
        head = self._zone.own(apex) if apex is not None else None
        authority = self._zone.records(head, RecordType.SOA) if head is not None else None
        if apex is None or authority is None:
            return None
        rcode = Rcode.NOERROR
        if not exists:
            address = self._spelled(name)
            if address is None:
                if not chain and covered(name, self._fallthrough) and not covered(apex, REVERSE):
                    return None  # reverse zones that have a head are the cluster's own: they end here
                rcode = Rcode.NXDOMAIN
            elif address_data(address).type == query.type:
                spelled = record(compress(name, query.name), query.type, self._ttl, address.packed)
                return Response(answer=(*chain, spelled), authoritative=True)
        return Response(rcode, chain, renamed(authority.records, apex, query), authoritative=True)

    def _spelled(self, name: bytes) -> IPAddress | None:
        """The address that a pod name such as `10-244-1-2` spells; None where this is no such name."""
        node = self._zone.own(parent(name)) if name[0] else None
        if node is None or PodAddresses.type not in node.types:
            return None
        text, namespace = (label.decode("latin-1") for label in labels(name)[:2])
        try:
            if text.count("-") == 3 and "--" not in text:
                address: IPAddress = ipaddress.IPv4Address(text.replace("-", "."))
            else:
                address = ipaddress.IPv6Address(text.replace("-", ":"))
        except ValueError:
            return None
        return address if self._pod_exists(namespace, address) else None


def renamed(records: tuple[bytes, ...], owner: bytes, query: Query) -> tuple[bytes, ...]:
    """The same records under another name than the question's."""
    head = compress(owner, query.name)
    return tuple(head + one[len(QUESTION_POINTER) :] for one in records)
