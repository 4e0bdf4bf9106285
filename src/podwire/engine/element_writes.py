"""Writes of rows that are elements of one nftables table, independent of each other."""

from __future__ import annotations

from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel.element_row import ElementRow, element_change
from podwire.kernel.elements import transactions
from podwire.kernel.nftables import NftablesError, Transactions


def write_elements(nft: Transactions, table: str, delta: Delta[ElementRow]) -> None:
    """Add, then remove, in transactions of a bounded size; `table` is family and name. Blocks. Raises SinkError."""
    try:
        for text in transactions(table, map(element_change, delta.changes())):
            nft.run(text)
    except NftablesError as error:
        raise SinkError(f"writing table {table}: {error}") from error
