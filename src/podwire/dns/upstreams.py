"""The servers of names that are not the cluster's: given as addresses, or named in files like /etc/resolv.conf."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from podwire.dns.forward import Upstream

log = logging.getLogger(__name__)


def upstreams(texts: Iterable[str]) -> list[Upstream]:
    """Return the servers in order, each once; a text that begins with a slash is a file that has more of them.

    Raises ValueError for a text that is neither, and OSError for a file that cannot be read.
    """
    found: list[Upstream] = []
    for text in texts:
        found += _of_file(Path(text)) if text.startswith("/") else (Upstream.parse(text),)
    return list(dict.fromkeys(found))


def _of_file(path: Path) -> Iterator[Upstream]:
    """The lines `nameserver ADDRESS` of a file (resolv.conf(5)). One with a zone belongs to a link of the node."""
    known = False
    for line in path.read_text(errors="replace").splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            server = Upstream.parse(words[1].replace("%", " of link "))
        except ValueError:
            log.warning("%s: nameserver %s is left out: no address that a pod can connect to", path, words[1])
            continue
        known = True
        yield server
    if not known:
        log.warning("%s has no nameserver: names outside of the cluster are refused; give --upstreams", path)
