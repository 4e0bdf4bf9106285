"""What a plugin found for a question, and the bytes that are sent for it. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from podwire.dns.authority import Alias
from podwire.dns.message import STREAM_SIZE, Query, Rcode, Response, encode
from podwire.dns.reply import Reply, chased, parse_reply, replay, response_of


class Relayed(msgspec.Struct, frozen=True):
    """A reply of an upstream server.

    Attributes:
        reply: its content.
        age: in whole seconds.
        seconds: for how long that age is right.
        lasts: for how many seconds the reply may be repeated.

    """

    reply: Reply
    age: int = 0
    seconds: float = 0.0
    lasts: float = 0.0


Outcome = Response | Relayed
Found = Outcome | Alias | Awaitable[Outcome] | None
"""Of one plugin: an answer, now or later; a name at which the question goes on; None: the next plugin is used."""

FAILED = Response(Rcode.SERVFAIL, seconds=0)
REFUSED = Response(Rcode.REFUSED, seconds=0)


def sent(query: Query, outcome: Outcome, limit: int) -> bytes:
    """The answer in at most `limit` bytes."""
    if isinstance(outcome, Relayed):
        return replay(outcome.reply, query, outcome.age, limit)
    return encode(query, outcome, limit)


def as_reply(query: Query, outcome: Outcome) -> tuple[Reply, int] | None:
    """An outcome as the reply to its query, with its age; None where it cannot be read back."""
    if isinstance(outcome, Relayed):
        return outcome.reply, outcome.age
    reply = parse_reply(encode(query, outcome, STREAM_SIZE))
    return (reply, 0) if reply is not None else None


def joined(query: Query, alias: Alias, onward: Query, outcome: Outcome) -> Response:
    """The alias, then what its target led to; SERVFAIL and the alias alone where that failed."""
    found = as_reply(onward, outcome)
    if found is None:
        return Response(Rcode.SERVFAIL, alias.records, seconds=0)
    reply, age = found
    rcode = Rcode(reply.rcode) if reply.rcode in {Rcode.NOERROR, Rcode.NXDOMAIN} else Rcode.SERVFAIL
    records = alias.records + chased(reply, age, alias.target, query)
    return Response(rcode, records, authoritative=True, seconds=outcome.seconds)


def as_asked(query: Query, other: Query, outcome: Outcome, rename: Callable[[bytes], bytes]) -> Response:
    """The outcome for another name as the answer to this query: owners' names go through `rename`."""
    found = as_reply(other, outcome)
    response = response_of(*found, query, rename) if found is not None else None
    if response is None:
        return FAILED
    turned = isinstance(outcome, Response) and outcome.turned
    return msgspec.structs.replace(response, seconds=outcome.seconds, turned=turned)
