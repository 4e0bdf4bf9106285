from importlib import resources

from podwire.kernel.nftables import Nftables
from podwire.services.ruleset import TABLE, ruleset
from podwire.services.slots import SIZES
from tests.sandbox import sandboxed


@sandboxed
def test_there_is_a_chain_for_every_number_of_slots_and_one_that_refuses() -> None:
    nft = Nftables()
    nft.run(ruleset().text)
    picks = nft.run(f"list map {TABLE} pick")
    for size in SIZES:
        assert f"0:{size:x} : goto spread-{size}" in picks
        assert f"numgen random mod {size} map" in nft.run(f"list chain {TABLE} spread-{size}")
    assert "none : goto refuse" in picks


@sandboxed
def test_the_constant_part_is_nft_text_by_itself() -> None:
    Nftables().run((resources.files("podwire.services") / "services.nft").read_text())
