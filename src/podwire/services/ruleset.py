"""The text of the kernel program: services.nft, and a piece for each number of slots and each timeout of affinity.

All of it is one transaction, which in a user namespace may have 208 KiB of netlink messages; it has about 180.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

from podwire.kernel.ruleset import Ruleset
from podwire.services.slots import AFFINE_SIZES, SIZES
from podwire.services.word import GUARD, TIMEOUTS, slots_bits, timeout_bits

TABLE_NAME = "podwire-services"
TABLE = f"inet {TABLE_NAME}"


def ruleset() -> Ruleset:
    """Everything that is loaded."""
    return Ruleset((TABLE,), "\n".join(_pieces()))


def _pieces() -> Iterator[str]:
    package = resources.files("podwire.services")
    yield (package / "services.nft").read_text()
    chains: dict[int, str] = {}
    for kind, sizes in (("spread", SIZES), ("affine", AFFINE_SIZES)):
        text = (package / f"{kind}.nft").read_text()
        for size in sizes:
            chains[slots_bits(size, affine=kind == "affine")] = f"{kind}-{size}"
            yield text.replace("SLOTS", str(size))
    yield _elements("pick", {bits | GUARD: "guard" for bits in chains} | chains)
    yield _elements("pick_admitted", chains)
    affinity = (package / "affinity.nft").read_text()
    for seconds in TIMEOUTS:
        yield affinity.replace("BITS", f"{timeout_bits(seconds):#x}").replace("SECONDS", str(seconds))


def _elements(name: str, chains: dict[int, str]) -> str:
    """The elements that lead to chains."""
    elements = ", ".join(f"{bits:#x} : goto {chain}" for bits, chain in chains.items())
    return f"add element {TABLE} {name} {{ {elements} }}\n"
