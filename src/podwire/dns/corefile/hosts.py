"""`hosts`: addresses by name as in /etc/hosts.

Source: github.com/coredns/coredns `plugin/hosts/README.md`, hosts(5).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import msgspec

from podwire.dns.corefile import values
from podwire.dns.corefile.grammar import Directive, Line
from podwire.dns.names import FormatError, IPAddress, reverse_name, to_wire

MOST_ENTRIES = 100_000
OPTIONS = ("ttl", "no_reverse", "reload", "fallthrough")
DEFAULT_FILE = "/etc/hosts"


class HostsSettings(msgspec.Struct, frozen=True):
    """One use of the plugin.

    Attributes:
        zones: only names below these are answered.
        file: a file of entries, empty for none.
        entries: address and names of each line in the Corefile.
        ttl: of records, in seconds.
        reverse: whether addresses have PTR records.
        reload: seconds between two looks at the file; 0: never.
        fallthrough: zones whose unknown names go on to the next plugin.

    """

    zones: tuple[bytes, ...]
    file: str = DEFAULT_FILE
    entries: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ttl: int = 3600
    reverse: bool = True
    reload: float = 5.0
    fallthrough: tuple[bytes, ...] = ()


class HostTable(msgspec.Struct, frozen=True):
    """Addresses by folded name, and names by folded reverse name, all in wire form."""

    addresses: dict[bytes, tuple[IPAddress, ...]]
    names: dict[bytes, tuple[bytes, ...]]


def hosts(directive: Directive, block: tuple[bytes, ...]) -> HostsSettings:
    """Read `hosts [FILE [ZONES]]` and its block of entries and options."""
    words = directive.arguments
    found = HostsSettings(values.all_zones(words[1:]) or block, file=words[0].text if words else DEFAULT_FILE)
    entries: list[tuple[str, tuple[str, ...]]] = []
    for line in directive.lines:
        if line.name.text in OPTIONS:
            found = _option(found, line)
            continue
        entry = (line.name.text, tuple(word.text for word in line.arguments))
        try:
            ipaddress.ip_address(entry[0])
            wires = [to_wire(name) for name in entry[1]]
        except ValueError:
            raise line.name.error(
                f"hosts: {' '.join((entry[0], *entry[1]))}: must be ADDRESS NAME ..., or one of the options "
                + ", ".join(OPTIONS)
            ) from None
        if not wires:
            raise line.name.error(f"hosts: {entry[0]}: must have a name or more")
        entries.append(entry)
    # With entries in the Corefile the node's own file is not meant, unless it is named.
    file = found.file if words or not entries else ""
    return msgspec.structs.replace(found, entries=tuple(entries), file=file)


def _option(found: HostsSettings, line: Line) -> HostsSettings:
    replace = msgspec.structs.replace
    match line.name.text:
        case "ttl":
            return replace(found, ttl=values.number(values.one(line), 1, 65535))
        case "no_reverse":
            values.no_arguments(line)
            return replace(found, reverse=False)
        case "reload":
            return replace(found, reload=values.duration(values.one(line)))
        case _:
            return replace(found, fallthrough=values.fallthrough(line))


def file_entries(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """The entries of a hosts file; lines that are none are left out."""
    lines = (line.partition("#")[0].split() for line in text.splitlines()[:MOST_ENTRIES])
    return [(words[0].partition("%")[0], tuple(words[1:])) for words in lines if len(words) > 1]


def host_table(entries: Iterable[tuple[str, tuple[str, ...]]]) -> HostTable:
    """The look-up tables of entries; what is no address or no name is left out."""
    addresses: dict[bytes, dict[IPAddress, None]] = {}
    names: dict[bytes, dict[bytes, None]] = {}
    for text, aliases in entries:
        try:
            address = ipaddress.ip_address(text)
            wires = [to_wire(name) for name in aliases]
        except (ValueError, FormatError):
            continue
        for wire in wires:
            addresses.setdefault(wire.lower(), {})[address] = None
            names.setdefault(to_wire(reverse_name(address)), {})[wire] = None
    return HostTable(
        {name: tuple(found) for name, found in addresses.items()}, {name: tuple(found) for name, found in names.items()}
    )
