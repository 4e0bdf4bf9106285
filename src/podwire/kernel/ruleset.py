"""A constant ruleset in the kernel: whether this release of it is loaded, and how it replaces another."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from podwire.kernel.nftables import NftablesError

if TYPE_CHECKING:
    from podwire.kernel.nftables import Transactions


class Ruleset(msgspec.Struct, frozen=True):
    """The text of a program and the tables (family and name) that it makes.

    An empty set in the first table, named after the text, is the mark of its release: in another one the maps may mean
    something else.
    """

    tables: tuple[str, ...]
    program: str

    @property
    def version(self) -> str:
        """The name of the set that marks the release."""
        return f"version-{hashlib.sha256(self.program.encode()).hexdigest()[:12]}"

    @property
    def text(self) -> str:
        """The program and its mark."""
        return f"{self.program}\nadd set {self.tables[0]} {self.version} {{ typeof meta mark; }}\n"

    @property
    def replacement(self) -> str:
        """The program in place of whatever has its tables' names, as one transaction."""
        return "".join(f"add table {name}\ndelete table {name}\n" for name in self.tables) + self.text

    def load(self, nft: Transactions, elements: str = "") -> None:
        """Replace whatever has its tables' names, and add these elements, in one transaction. Raises NftablesError.

        The memory that this took is released.
        """
        nft.run(self.replacement + elements)
        nft.release()

    def is_loaded(self, nft: Transactions) -> bool:
        """Whether this release is loaded. Raises NftablesError where nft refuses for another reason."""
        try:
            nft.run(f"list set {self.tables[0]} {self.version}")
        except NftablesError as error:
            if "No such file or directory" in str(error):  # libnftables is never given a locale
                return False
            raise
        return True
