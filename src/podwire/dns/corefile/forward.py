"""`forward`: upstream servers of a zone. Source: github.com/coredns/coredns `plugin/forward/README.md`.

`randomize_case`, `refuse_private` and `max_concurrent_client` are options of this server alone.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from podwire.dns.corefile import values
from podwire.dns.corefile.grammar import Directive, Line
from podwire.dns.names import ROOT

MOST_UPSTREAMS = 15
Policy = Literal["random", "round_robin", "sequential"]
OPTIONS = (
    "except",
    "policy",
    "max_fails",
    "health_check",
    "max_concurrent",
    "force_tcp",
    "prefer_udp",
    "expire",
    "tls",
    "tls_servername",
    "failfast_all_unhealthy_upstreams",
    "randomize_case",
    "refuse_private",
    "max_concurrent_client",
)


class ForwardSettings(msgspec.Struct, frozen=True):
    """One use of the plugin.

    Attributes:
        zone: names below it are forwarded, but for those below `without`.
        upstreams: addresses, `tls://` addresses, or files like /etc/resolv.conf, as written.
        policy: the order in which servers that are well are tried.
        max_fails: failed health checks after which a server is down; 0: never.
        health_seconds: between two checks of a server that failed.
        health_domain: the name that a check requests, in wire form.
        health_recursion: whether checks request recursion.
        max_concurrent: queries under way, 0: the program's own limit. More are refused.
        max_concurrent_client: the same for one client.
        force_tcp: forward by TCP only.
        expire: seconds that an idle connection is kept.
        tls: files of certificate and key, and of authorities; each may be empty.
        tls_servername: the name that certificates of `tls://` servers must have.
        failfast: SERVFAIL at once while all servers are down, in place of trying one.
        randomize_case: letters of questions are turned at random, and must come back so (0x20).
        refuse_private: answers with private addresses are refused, but for names in these zones; None: all are taken.

    """

    zone: bytes
    upstreams: tuple[str, ...]
    without: tuple[bytes, ...] = ()
    policy: Policy = "random"
    max_fails: int = 2
    health_seconds: float = 0.5
    health_domain: bytes = ROOT
    health_recursion: bool = True
    max_concurrent: int = 0
    max_concurrent_client: int = 0
    force_tcp: bool = False
    expire: float = 10.0
    tls: tuple[str, ...] | None = None
    tls_servername: str = ""
    failfast: bool = False
    randomize_case: bool = False
    refuse_private: tuple[bytes, ...] | None = None


def forward(directive: Directive) -> ForwardSettings:
    """Read the plugin."""
    words = directive.arguments
    if len(words) < 2:
        raise directive.error("must have a zone and one upstream server or more: forward . /etc/resolv.conf")
    if len(words) > MOST_UPSTREAMS + 1:
        raise directive.error(f"must have at most {MOST_UPSTREAMS} upstream servers")
    zones = values.zones(words[0])
    if len(zones) != 1:
        raise words[0].error(f"{words[0].text}: must be one zone; the range does not end at a part of an address")
    found = ForwardSettings(zones[0], tuple(word.text for word in words[1:]))
    for line in directive.lines:
        found = _option(found, line)
    return found


_FLAGS = {"force_tcp": "force_tcp", "failfast_all_unhealthy_upstreams": "failfast", "randomize_case": "randomize_case"}
"""Options without a value, and the fields that they set."""

_ZONES = {"except": "without", "refuse_private": "refuse_private"}
_NUMBERS = {"max_fails": 1000, "max_concurrent": 1_000_000, "max_concurrent_client": 1_000_000}
"""Options with a whole number, and its highest value."""


def _option(found: ForwardSettings, line: Line) -> ForwardSettings:
    name, replace = line.name.text, msgspec.structs.replace
    if name in _FLAGS or name == "prefer_udp":
        values.no_arguments(line)
        # Queries go by UDP first in any case.
        return replace(found, **{_FLAGS[name]: True}) if name in _FLAGS else found
    if name in _ZONES:
        return replace(found, **{_ZONES[name]: values.all_zones(line.arguments)})
    if name in _NUMBERS:
        return replace(found, **{name: values.number(values.one(line), 0, _NUMBERS[name])})
    match name:
        case "policy":
            policy = values.one(line)
            if policy.text not in {"random", "round_robin", "sequential"}:
                raise policy.error(f"policy {policy.text}: must be random, round_robin or sequential")
            return msgspec.convert({**msgspec.structs.asdict(found), "policy": policy.text}, ForwardSettings)
        case "health_check":
            return _health_check(found, line)
        case "expire":
            return replace(found, expire=values.duration(values.one(line)))
        case "tls":
            if len(line.arguments) > 3:
                raise line.name.error("tls: must be [CERTIFICATE KEY] [AUTHORITIES]")
            return replace(found, tls=tuple(word.text for word in line.arguments))
        case "tls_servername":
            return replace(found, tls_servername=values.one(line).text)
        case _:
            raise values.unknown(line, "forward", OPTIONS)


def _health_check(found: ForwardSettings, line: Line) -> ForwardSettings:
    """Read `health_check DURATION [no_rec] [domain NAME]`."""
    if not line.arguments:
        raise line.name.error("health_check: must have a duration")
    found = msgspec.structs.replace(found, health_seconds=max(values.duration(line.arguments[0]), 0.05))
    words = list(line.arguments[1:])
    while words:
        word = words.pop(0)
        if word.text == "no_rec":
            found = msgspec.structs.replace(found, health_recursion=False)
        elif word.text == "domain" and words:
            found = msgspec.structs.replace(found, health_domain=values.zones(words.pop(0))[0])
        else:
            raise word.error(f"health_check: {word.text!r} must be no_rec or domain NAME")
    return found
