"""Replies of upstream servers that are kept for a time: positive ones, negative ones and failures, each bounded."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from podwire.dns.corefile.cache import CacheSettings, Kept
from podwire.dns.corefile.kubernetes import covered
from podwire.dns.message import CD, RD, Query, Rcode
from podwire.dns.outcome import Relayed
from podwire.dns.reply import ANSWER, Reply, lifetime

LARGEST_REPLY = 4096
MOST_FAILURES = 1024

Key = tuple[bytes, int, bool, bool, bool]
"""All that changes an answer: folded name, type, and the bits DO, CD and RD (GHSA-m9w6-wp3h-vq8g). The class is IN."""


def key_of(query: Query) -> Key:
    """Return what replies to a query are kept under."""
    return query.key, query.type, query.dnssec, bool(query.flags & CD), bool(query.flags & RD)


class Entry(msgspec.Struct, frozen=True):
    """A reply and when it came and ends, in the event loop's seconds."""

    reply: Reply
    came: float
    ends: float


class ReplyCache:
    """Kept replies by question; the one that was kept or used longest ago makes room."""

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings
        self._positive: OrderedDict[Key, Entry] = OrderedDict()
        self._negative: OrderedDict[Key, Entry] = OrderedDict()
        self._failures: OrderedDict[Key, Entry] = OrderedDict()
        self.hits = {"success": 0, "denial": 0}
        self.misses = 0

    def __len__(self) -> int:
        return len(self._positive) + len(self._negative)

    def find(self, query: Query, now: float) -> Relayed | None:
        """A reply that is still good."""
        key = key_of(query)
        for name, entries in (("success", self._positive), ("denial", self._negative)):
            entry = entries.get(key)
            if entry is not None and entry.ends > now:
                self.hits[name] += 1
                return self._relayed(entry, now)
        failure = self._failures.get(key)
        if failure is not None and failure.ends > now:
            return Relayed(failure.reply)
        self.misses += 1
        return None

    def stale(self, query: Query, now: float) -> Relayed | None:
        """A reply whose time is over, where such ones are served; its records live 0 s."""
        key = key_of(query)
        entry = self._positive.get(key) or self._negative.get(key)
        if entry is None or entry.ends + self._settings.stale <= now:
            return None
        return Relayed(entry.reply, 0x7FFFFFFF)

    def keep(self, query: Query, reply: Reply, now: float) -> None:
        """Keep a reply, if it may be kept."""
        if not covered(query.key, self._settings.zones) or len(reply.raw) > LARGEST_REPLY or reply.truncated:
            return
        if reply.rcode == Rcode.SERVFAIL:
            self._store(self._failures, MOST_FAILURES, key_of(query), Entry(reply, now, now + self._settings.servfail))
            return
        positive = reply.rcode == Rcode.NOERROR and any(one.section == ANSWER for one in reply.records)
        limits, disabled, entries = (
            (self._settings.success, self._settings.no_success, self._positive)
            if positive
            else (self._settings.denial, self._settings.no_denial, self._negative)
        )
        seconds = _seconds(reply, limits)
        if seconds and limits.capacity and not covered(query.key, disabled):
            self._store(entries, limits.capacity, key_of(query), Entry(reply, now, now + seconds))

    def _store(self, entries: OrderedDict[Key, Entry], capacity: int, key: Key, entry: Entry) -> None:
        entries[key] = entry
        entries.move_to_end(key)
        while len(entries) > capacity:
            entries.popitem(last=False)

    def _relayed(self, entry: Entry, now: float) -> Relayed:
        lasts = entry.ends - now
        if self._settings.keep_ttl:
            return Relayed(entry.reply, 0, lasts, lasts)
        age = int(now - entry.came)
        return Relayed(entry.reply, age, min(entry.came + age + 1 - now, lasts), lasts)


def _seconds(reply: Reply, limits: Kept) -> int:
    """How long a reply is kept; 0 where it must not be."""
    seconds = lifetime(reply, limits.longest)
    return max(seconds, min(limits.shortest, limits.longest)) if seconds else 0
