"""The text of the kernel program: services.nft, and spread.nft once for each number of slots."""

from __future__ import annotations

from importlib import resources

from podwire.kernel.ruleset import Ruleset
from podwire.services.slots import SIZES

TABLE_NAME = "podwire-services"
TABLE = f"inet {TABLE_NAME}"


def ruleset() -> Ruleset:
    """Everything that is loaded."""
    package = resources.files("podwire.services")
    spread = (package / "spread.nft").read_text()
    chains = [spread.replace("SLOTS", str(size)) for size in SIZES]
    return Ruleset((TABLE,), "\n".join([(package / "services.nft").read_text(), *chains]))
