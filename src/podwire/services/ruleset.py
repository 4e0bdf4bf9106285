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
_KINDS = {"spread": SIZES, "affine": AFFINE_SIZES}
"""The chains for each number of slots: the name of their file, and the numbers."""


def ruleset() -> Ruleset:
    """Everything that is loaded."""
    return Ruleset((TABLE,), "\n".join(_pieces()))


def _pieces() -> Iterator[str]:
    yield (resources.files("podwire.services") / "services.nft").read_text()
    # One block for all chains: with one each, libnftables takes 55 MB more at its peak, and three times as long.
    yield f"table {TABLE} {{\n{''.join(_chains())}}}\n"
    chains = {
        slots_bits(size, affine=kind == "affine"): f"{kind}-{size}" for kind, sizes in _KINDS.items() for size in sizes
    }
    yield _elements("pick", {bits | GUARD: "guard" for bits in chains} | chains)
    yield _elements("pick_admitted", chains)


def _chains() -> Iterator[str]:
    for kind, sizes in _KINDS.items():
        chain = _body(f"{kind}.nft")
        yield from (chain.replace("SLOTS", str(size)) for size in sizes)
    affinity = _body("affinity.nft")
    for seconds in TIMEOUTS:
        yield affinity.replace("BITS", f"{timeout_bits(seconds):#x}").replace("SECONDS", str(seconds))


def _body(name: str) -> str:
    """What the table of a file holds."""
    text = (resources.files("podwire.services") / name).read_text()
    return text.partition(f"table {TABLE} {{\n")[2].rpartition("}")[0]


def _elements(name: str, chains: dict[int, str]) -> str:
    """The elements that lead to chains."""
    elements = ", ".join(f"{bits:#x} : goto {chain}" for bits, chain in chains.items())
    return f"add element {TABLE} {name} {{ {elements} }}\n"
