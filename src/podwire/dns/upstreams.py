"""The servers of names that are not the cluster's: given as addresses, or named in files like /etc/resolv.conf."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from podwire.dns.exchange import TLS_PORT, Upstream

log = logging.getLogger(__name__)


def parse_upstream(text: str, server_name: str = "") -> Upstream:
    """Read `1.1.1.1`, `1.1.1.1:53`, `[fd00::1]:53`, `tls://1.1.1.1`, `tls://1.1.1.1%name`. Raises ValueError."""
    tls = text.startswith("tls://")
    rest, _, name = text.removeprefix("tls://").removeprefix("dns://").partition("%")
    host, port = rest, ""
    if rest.startswith("["):
        host, _, port = rest[1:].partition("]:")
    elif rest.count(":") == 1:
        host, _, port = rest.partition(":")
    try:
        number = int(port or (TLS_PORT if tls else 53))
        address = ipaddress.ip_address(host.removesuffix("]") if tls or not name else text)
    except ValueError:
        raise ValueError(f"upstream {text!r}: must be an IP address, or one with a port as in [fd00::1]:53") from None
    return Upstream(address, number, tls, (name or server_name) if tls else "")


def upstreams(texts: Iterable[str], server_name: str = "") -> list[Upstream]:
    """Return the servers in order, each once; a text that begins with a slash is a file that has more of them.

    Raises ValueError for a text that is neither, and OSError for a file that cannot be read.
    """
    found: list[Upstream] = []
    for text in texts:
        found += _of_file(Path(text)) if text.startswith("/") else (parse_upstream(text, server_name),)
    return list(dict.fromkeys(found))


def _of_file(path: Path) -> Iterator[Upstream]:
    """The lines `nameserver ADDRESS` of a file (resolv.conf(5)). One with a zone belongs to a link of the node."""
    known = False
    for line in path.read_text(errors="replace").splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            server = parse_upstream(words[1].replace("%", " of link "))
        except ValueError:
            log.warning("%s: nameserver %s is left out: no address that a pod can connect to", path, words[1])
            continue
        known = True
        yield server
    if not known:
        log.warning(
            "%s has no nameserver: names outside of the cluster are refused; give others in the Corefile",
            path,
        )
