"""`cache`: how long replies of upstream servers are kept. Source: github.com/coredns/coredns `plugin/cache/README.md`.

Answers from the cluster's objects are never kept: they are in memory, and change with the objects.
"""

from __future__ import annotations

import msgspec

from podwire.dns.corefile import values
from podwire.dns.corefile.grammar import Directive, Line

LONGEST_SECONDS = 3600
LONGEST_NEGATIVE_SECONDS = 1800
CAPACITY = 9984
OPTIONS = ("success", "denial", "servfail", "disable", "serve_stale", "keepttl")


class Kept(msgspec.Struct, frozen=True):
    """How many replies of one sort are kept, and for at least and at most how many seconds."""

    capacity: int
    longest: int
    shortest: int = 0


class CacheSettings(msgspec.Struct, frozen=True):
    """What is kept.

    Attributes:
        zones: names below these are kept.
        success: replies with data; None: not kept.
        denial: NXDOMAIN and NODATA; None: not kept.
        no_success: zones whose replies with data are not kept.
        no_denial: zones whose negative replies are not kept.
        servfail: seconds that a failure is kept.
        stale: seconds after its end in which a reply is still sent where no server answers; 0: never.
        keep_ttl: times to live do not go down.

    """

    zones: tuple[bytes, ...]
    success: Kept = Kept(CAPACITY, LONGEST_SECONDS, 5)
    denial: Kept = Kept(CAPACITY, LONGEST_NEGATIVE_SECONDS, 5)
    no_success: tuple[bytes, ...] = ()
    no_denial: tuple[bytes, ...] = ()
    servfail: float = 5.0
    stale: float = 0.0
    keep_ttl: bool = False


def cache(directive: Directive, block: tuple[bytes, ...]) -> CacheSettings:
    """Read `cache [SECONDS] [ZONES]`."""
    words = list(directive.arguments)
    longest = values.number(words.pop(0), 1, LONGEST_SECONDS * 24) if words and words[0].text.isdecimal() else 0
    found = CacheSettings(values.all_zones(words) or block)
    if longest:
        found = msgspec.structs.replace(found, success=Kept(CAPACITY, longest, 5), denial=Kept(CAPACITY, longest, 5))
    for line in directive.lines:
        found = _option(found, line)
    return found


def _option(found: CacheSettings, line: Line) -> CacheSettings:
    replace = msgspec.structs.replace
    match line.name.text:
        case "success" | "denial" as name:
            limits = [values.number(word, 0, 10_000_000) for word in line.arguments]
            if not 1 <= len(limits) <= 3:
                raise line.name.error(f"{name}: must be CAPACITY [LONGEST [SHORTEST]]")
            before = getattr(found, name)
            return replace(found, **{name: Kept(*(limits + [before.longest, before.shortest][len(limits) - 1 :]))})
        case "servfail":
            return replace(found, servfail=min(values.duration(values.one(line)), 300.0))
        case "disable":
            if not line.arguments or line.arguments[0].text not in {"success", "denial"}:
                raise line.name.error("disable: must be success or denial, and zones")
            zones = values.all_zones(line.arguments[1:]) or found.zones
            return replace(found, **{f"no_{line.arguments[0].text}": zones})
        case "serve_stale":
            if len(line.arguments) > 1:
                raise line.arguments[1].error(
                    "serve_stale: has one value at most; a stale reply is sent at once only where no server answers"
                )
            return replace(found, stale=values.duration(line.arguments[0]) if line.arguments else 3600.0)
        case "keepttl":
            values.no_arguments(line)
            return replace(found, keep_ttl=True)
        case _:
            raise values.unknown(line, "cache", OPTIONS)
