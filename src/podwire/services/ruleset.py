"""The text of the kernel program: services.nft, and spread.nft once for each number of slots."""

from __future__ import annotations

import hashlib
from importlib import resources

from podwire.services.slots import SIZES

TABLE_NAME = "podwire-services"
TABLE = f"inet {TABLE_NAME}"


def ruleset() -> str:
    """Everything that is loaded, as one nft text, and an empty set with the version's name beside it."""
    program = _program()
    return f"{program}\nadd set {TABLE} {_version(program)} {{ typeof meta mark; }}\n"


def replacement() -> str:
    """The ruleset in place of whatever has its name, as one transaction."""
    return f"add table {TABLE}\ndelete table {TABLE}\n{ruleset()}"


def version() -> str:
    """The name of the set that tells that just this ruleset is loaded, not one of another release."""
    return _version(_program())


def _program() -> str:
    package = resources.files("podwire.services")
    spread = (package / "spread.nft").read_text()
    chains = [spread.replace("SLOTS", str(size)) for size in SIZES]
    return "\n".join([(package / "services.nft").read_text(), *chains])


def _version(program: str) -> str:
    return f"version-{hashlib.sha256(program.encode()).hexdigest()[:12]}"
