"""The plugins `log` and `errors`: one line a query, and one line a failure or for many failures alike."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence

import msgspec

from podwire.dns.corefile.kubernetes import covered
from podwire.dns.corefile.logs import ErrorsSettings, LogSettings
from podwire.dns.corefile.pattern import pattern
from podwire.dns.message import AA, AD, CD, OPCODE, QR, RA, RD, TC, Query, Rcode
from podwire.dns.names import to_text
from podwire.dns.records import RecordType

log = logging.getLogger("podwire.dns.queries")
failures = logging.getLogger("podwire.dns.errors")

_FLAGS = (("qr", QR), ("aa", AA), ("tc", TC), ("rd", RD), ("ra", RA), ("ad", AD), ("cd", CD))
_FIELD = re.compile(r"\{[^}]+\}")


class Exchange(msgspec.Struct, frozen=True):
    """A query and its answer, as a line shows them."""

    query: Query
    answer: bytes
    client: str
    port: int
    transport: str
    size: int
    seconds: float


class QueryLog:
    """Logs queries by the settings of a block. Names are escaped, so that none can begin a line of its own."""

    def __init__(self, settings: Sequence[LogSettings]) -> None:
        self._settings = tuple(settings)

    def record(self, exchange: Exchange) -> None:
        """Log one exchange, once at most."""
        kind = class_of(exchange.answer)
        for one in self._settings:
            if covered(exchange.query.key, one.zones) and one.classes & {"all", kind}:
                log.info("%s", line(exchange, one.format))
                return


def class_of(answer: bytes) -> str:
    """The class of an answer: success, denial or error (github.com/coredns/coredns `plugin/pkg/response`)."""
    rcode, answers = answer[3] & 0xF, int.from_bytes(answer[6:8], "big")
    if rcode == Rcode.NXDOMAIN or (rcode == Rcode.NOERROR and not answers):
        return "denial"
    return "success" if rcode == Rcode.NOERROR else "error"


def line(exchange: Exchange, form: str) -> str:
    """The line of an exchange."""
    query, answer = exchange.query, exchange.answer
    flags = int.from_bytes(answer[2:4], "big")
    values = {
        "{remote}": f"[{exchange.client}]" if ":" in exchange.client else exchange.client,
        "{port}": exchange.port,
        "{>id}": query.id,
        "{type}": type_name(query.type),
        "{class}": "IN",
        "{name}": to_text(query.key),
        "{proto}": exchange.transport,
        "{size}": exchange.size,
        "{>do}": str(query.dnssec).lower(),
        "{>bufsize}": query.size,
        "{rcode}": rcode_name(flags & 0xF),
        "{>rflags}": ",".join(name for name, bit in _FLAGS if flags & bit),
        "{rsize}": len(answer),
        "{duration}": f"{exchange.seconds:.9f}s",
        "{>opcode}": (query.flags & OPCODE) >> 11,
    }
    return _FIELD.sub(lambda field: str(values.get(field[0], field[0])), form)


def type_name(kind: int) -> str:
    """The name of a type."""
    return RecordType(kind).name if kind in set(RecordType) else f"TYPE{kind}"


def rcode_name(code: int) -> str:
    """The name of a response code."""
    return Rcode(code).name if code in set(Rcode) else f"RCODE{code}"


class FailureLog:
    """Logs failures; those that match a pattern of `consolidate` are counted, and logged as one line."""

    def __init__(self, settings: ErrorsSettings) -> None:
        self._patterns = tuple((seconds, pattern(text)) for seconds, text in settings.consolidated)
        self._counts: Counter[int] = Counter()
        self._since: dict[int, float] = {}

    def record(self, query: Query, reason: str, now: float) -> None:
        """Log one failure, or count it."""
        text = f"{to_text(query.key)} {type_name(query.type)}: {reason}"
        for index, (seconds, one) in enumerate(self._patterns):
            if not one.matches(text):
                continue
            self._counts[index] += 1
            since = self._since.setdefault(index, now)
            if now - since >= seconds:
                failures.warning("%d errors like '%s' in %g s", self._counts[index], one.text, now - since)
                del self._since[index], self._counts[index]
            return
        failures.warning("%s", text)
