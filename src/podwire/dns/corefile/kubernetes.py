"""`kubernetes`: which names of the cluster are answered.

Source: github.com/coredns/coredns `plugin/kubernetes/README.md`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from podwire.dns.corefile import values
from podwire.dns.corefile.grammar import Directive, Line
from podwire.dns.names import to_text

REVERSE = (b"\x07in-addr\x04arpa\x00", b"\x03ip6\x04arpa\x00")
PodMode = Literal["disabled", "insecure", "verified"]
OPTIONS = ("pods", "ttl", "fallthrough", "namespaces", "ignore", "startup_timeout", "upstream")
LONGEST_TTL = 3600


class KubernetesSettings(msgspec.Struct, frozen=True):
    """What the plugin serves.

    Attributes:
        domain: the cluster domain, without the last dot.
        reverse: reverse zones, in wire form; without any, no PTR record is served.
        pods: whether `10-1-2-3.NAMESPACE.pod` is answered: never, always, or where such a pod exists.
        ttl: seconds that clients may keep records.
        fallthrough: zones whose unknown names go on to the next plugin.
        namespaces: the only ones whose names are served; all if empty.
        ignore_empty: a Service without ready endpoints is NXDOMAIN.

    """

    domain: str
    reverse: tuple[bytes, ...] = ()
    pods: PodMode = "disabled"
    ttl: int = 5
    fallthrough: tuple[bytes, ...] = ()
    namespaces: tuple[str, ...] = ()
    ignore_empty: bool = False

    @property
    def closed_reverse(self) -> tuple[bytes, ...]:
        """Reverse zones whose unknown names are answered here."""
        return tuple(zone for zone in self.reverse if not covered(zone, self.fallthrough))


def covered(name: bytes, zones: tuple[bytes, ...]) -> bool:
    """Whether a folded name is in one of these zones."""
    return any(name.endswith(zone) and (len(name) == len(zone) or _at_label(name, len(zone))) for zone in zones)


def _at_label(name: bytes, size: int) -> bool:
    """Whether a label begins that many bytes before the end."""
    position = 0
    while position < len(name) - size:
        position += 1 + name[position]
    return position == len(name) - size


def kubernetes(directive: Directive, block: tuple[bytes, ...]) -> KubernetesSettings:
    """Read the plugin; without zones it has those of its server block."""
    zones = values.all_zones(directive.arguments) or block
    forward = [zone for zone in zones if not covered(zone, REVERSE)]
    if len(forward) != 1 or forward[0] == b"\x00":
        raise directive.error("must have one cluster domain, such as cluster.local, and any number of reverse zones")
    found = KubernetesSettings(
        domain=to_text(forward[0]).removesuffix("."),
        reverse=tuple(zone for zone in zones if zone not in forward),
    )
    for line in directive.lines:
        found = _option(found, line)
    return found


def _option(found: KubernetesSettings, line: Line) -> KubernetesSettings:
    replace = msgspec.structs.replace
    match line.name.text:
        case "pods":
            mode = values.one(line)
            if mode.text not in {"disabled", "insecure", "verified"}:
                raise mode.error(f"pods {mode.text}: must be disabled, insecure or verified")
            return msgspec.convert({**msgspec.structs.asdict(found), "pods": mode.text}, KubernetesSettings)
        case "ttl":
            return replace(found, ttl=values.number(values.one(line), 0, LONGEST_TTL))
        case "fallthrough":
            return replace(found, fallthrough=values.fallthrough(line))
        case "namespaces":
            if not line.arguments:
                raise line.name.error("namespaces: must have one name or more")
            return replace(found, namespaces=tuple(word.text for word in line.arguments))
        case "ignore":
            if values.one(line).text != "empty_service":
                raise line.arguments[0].error("ignore: must be empty_service")
            return replace(found, ignore_empty=True)
        case "startup_timeout":
            values.duration(values.one(line))  # this server serves from the first moment
            return found
        case "upstream":
            return found  # CoreDNS ignores it too since 1.7: targets are always resolved by the server itself
        case _:
            raise values.unknown(line, "kubernetes", OPTIONS)
