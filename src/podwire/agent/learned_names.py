"""The file in the agent's state folder that keeps names and their addresses: a restart closes nothing by itself."""

from __future__ import annotations

import ipaddress
import logging
import os
import time
from pathlib import Path

import msgspec

from podwire.policy.known_names import KnownNames, SavedNames
from podwire.policy.model import IPAddress

log = logging.getLogger(__name__)

FILE = "names.json"


def save(names: KnownNames, folder: Path, now: float) -> None:
    """Write the names. A disk that does not take them is logged: then they are unknown after a restart."""
    path = folder / FILE
    content = msgspec.structs.replace(names.saved(now), written=time.time())
    try:
        path.with_suffix(".new").write_bytes(msgspec.json.encode(content))
        os.replace(path.with_suffix(".new"), path)
    except OSError as error:
        log.warning("names that were learned are not kept for the next start: %s", error)


def restore(names: KnownNames, folder: Path, now: float) -> set[str]:
    """Read the names that are known still, and those that were. Return them all."""
    try:
        found = msgspec.json.decode((folder / FILE).read_bytes(), type=SavedNames)
        away = max(time.time() - found.written, 0)
        known = [(one.name, _address(one.address), one.seconds - away) for one in (*found.former, *found.known)]
    except FileNotFoundError:
        return set()
    except (OSError, ValueError) as error:
        log.warning("names that were learned before cannot be read: %s", error)
        return set()
    return names.restore(known, now)


def _address(text: str) -> IPAddress:
    return ipaddress.ip_address(text)
