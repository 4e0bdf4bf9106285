"""Whole answers by whole questions: what the same bytes were answered with before, without reading them again.

The key is the message without its number, so everything that changes an answer is in it: flags, name with its letters,
type, EDNS. A change of the server's data empties the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from podwire.dns.message import HEADER, TC, Query, Response
from podwire.dns.outcome import Outcome, Relayed, sent

MOST_BYTES = 8 << 20
LARGEST_ANSWER = 1232
_TTL_PLACE = 4 - 2
"""From the fixed part of a record (type, class, time to live) in a message to its time to live in the `head`."""
_FOR_EVER = float("inf")
_OVERHEAD, _TURNING_OVERHEAD = 120, 400
"""Of an entry and its key, in bytes: of a still one and of any other."""


class ReadyAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer without its number, whose records change places or grow older.

    Attributes:
        head: what comes before the records that change places; the whole answer where none do.
        turning: the records that change places.
        tail: what comes after them.
        cuts: places in `turning` at which it may begin.
        until: when the times to live in it are no longer right, in seconds of the loop's clock.
        rcode: its response code.
        lives: places in `head` of times to live that are one second less then, and each second after it.
        ends: when it may not be repeated any more.

    """

    head: bytes
    turning: bytes
    tail: bytes
    cuts: tuple[int, ...]
    until: float
    rcode: int
    lives: tuple[int, ...] = ()
    ends: float = 0.0


Entry = bytes | ReadyAnswer
"""Most answers stay as they are: these are their bytes alone."""


class ReadyAnswers:
    """A bounded table. One of 0 bytes is empty.

    It has two generations: where there is no more room, the young one becomes the old one, and what is not used from
    then on makes room. What fits in the table is never dropped.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, changed: Callable[[int], None] = lambda _: None) -> None:
        self._young: dict[bytes, Entry] = {}
        self._old: dict[bytes, Entry] = {}
        self._bytes = 0
        self._most_bytes = most_bytes
        self._changed = changed
        self.version = 1
        """Goes up whenever the table is emptied; `changed` is called with it."""
        self.counts = [0] * 16
        """Messages that were answered from the table, by response code."""

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def clear(self) -> None:
        """Remove all answers, as the data changed that they were made of."""
        self.version += 1
        self._changed(self.version)
        if self._young or self._old:
            self._young, self._old, self._bytes = {}, {}, 0

    def find(self, raws: Sequence[bytes], now: float) -> list[bytes | None]:
        """For each message the answer to these bytes, if it is known. Those that are count as answered."""
        young, counts = self._young, self.counts
        answers: list[bytes | None] = []
        for raw in raws:
            found = young.get(raw[2:])
            if isinstance(found, bytes):  # most answers: calls would cost more
                counts[found[1] & 0xF] += 1
                answers.append(raw[:2] + found)
            else:
                answers.append(self._find(raw, now))
                young = self._young
        return answers

    def _find(self, raw: bytes, now: float) -> bytes | None:
        key = raw[2:]
        found = self._young.get(key)
        if found is None:
            found = self._old.pop(key, None)
            if found is None:
                return None
            self._young[key] = found
        if isinstance(found, bytes):
            self.counts[found[1] & 0xF] += 1
            return raw[:2] + found
        if found.until <= now:
            if found.ends <= now:
                return None
            found = self._young[key] = _aged(found, now)
        self.counts[found.rcode] += 1
        return _answer(found, raw)

    def entry(self, raw: bytes) -> Entry | None:
        """What is kept for these bytes."""
        return self._young.get(raw[2:])

    def put(self, raw: bytes, found: Entry) -> None:
        """Keep an answer to these bytes that another process made."""
        self._put(raw[2:], found)

    def keep(self, raw: bytes, query: Query, outcome: Outcome, limit: int, now: float) -> bytes | None:
        """Remember the answer to these bytes and return it; None where it may not be remembered."""
        seconds = outcome.seconds
        if seconds == 0 or not self._most_bytes:
            return None
        found = _entry(query, outcome, limit, now)
        if found is None:
            return None
        self._put(raw[2:], found)
        return raw[:2] + found if isinstance(found, bytes) else _answer(found, raw)

    def _put(self, key: bytes, found: Entry) -> None:
        before = self._young.pop(key, None) or self._old.pop(key, None)
        if before is not None:
            self._bytes -= _size(key, before)
        self._young[key] = found
        self._bytes += _size(key, found)
        while self._bytes > self._most_bytes:
            if not self._old:
                self._old, self._young = self._young, {}
            self._bytes -= _size(*self._old.popitem())


def _size(key: bytes, found: Entry) -> int:
    if isinstance(found, bytes):
        return len(key) + len(found) + _OVERHEAD
    return len(key) + len(found.head) + len(found.turning) + len(found.tail) + _TURNING_OVERHEAD


def _answer(found: ReadyAnswer, raw: bytes) -> bytes:
    """The answer to a message: with its number, which also says where the records that change places begin."""
    if not found.cuts:
        return raw[:2] + found.head
    cut = found.cuts[(raw[0] << 8 | raw[1]) % len(found.cuts)]
    turning = found.turning
    return b"".join((raw[:2], found.head, turning[cut:], turning[:cut], found.tail))


def _aged(found: ReadyAnswer, now: float) -> ReadyAnswer:
    """The answer with the times to live of this moment."""
    passed = 1 + int(now - found.until)
    head = bytearray(found.head)
    for place in found.lives:
        seconds = int.from_bytes(head[place : place + 4], "big")
        head[place : place + 4] = max(seconds - passed, 0).to_bytes(4, "big")
    return msgspec.structs.replace(found, head=bytes(head), until=min(found.until + passed, found.ends))


def _entry(query: Query, outcome: Outcome, limit: int, now: float) -> Entry | None:
    still = msgspec.structs.replace(outcome, turned=False) if isinstance(outcome, Response) else outcome
    wire = sent(query, still, limit)
    if len(wire) > LARGEST_ANSWER:
        return None
    rcode = wire[3] & 0xF
    until = _FOR_EVER if outcome.seconds is None else now + outcome.seconds
    turning = isinstance(outcome, Response) and outcome.turned and len(outcome.answer) > 1
    if turning and wire[2] & TC >> 8:
        return None  # which records are left out depends on the turn
    if isinstance(outcome, Relayed):
        if wire[2] & TC >> 8:
            return ReadyAnswer(wire[2:], b"", b"", (), until, rcode)
        # The question is as long as that of the reply, so the places are the same.
        lives = tuple(one.fixed + _TTL_PLACE for one in outcome.reply.records)
        return ReadyAnswer(wire[2:], b"", b"", (), until, rcode, lives, now + outcome.lasts)
    if not turning:
        return ReadyAnswer(wire[2:], b"", b"", (), until, rcode) if outcome.seconds is not None else wire[2:]
    start = HEADER.size + len(query.question)
    cuts, place = [], 0
    for one in outcome.answer:
        cuts.append(place)
        place += len(one)
    return ReadyAnswer(wire[2:start], wire[start : start + place], wire[start + place :], tuple(cuts), until, rcode)
