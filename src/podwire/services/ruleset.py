"""The text of the kernel program: services.nft, and spread.nft once for each number of slots."""

from __future__ import annotations

from importlib import resources

from podwire.services.slots import SIZES

TABLE = "inet podwire-services"


def ruleset() -> str:
    """Everything that is loaded, as one nft text."""
    package = resources.files("podwire.services")
    spread = (package / "spread.nft").read_text()
    chains = [spread.replace("SLOTS", str(size)) for size in SIZES]
    return "\n".join([(package / "services.nft").read_text(), *chains])
