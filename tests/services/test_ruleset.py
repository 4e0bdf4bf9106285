from importlib import resources

from podwire.kernel.nftables import Nftables
from podwire.kernel.setdump import SetDump
from podwire.services.ruleset import TABLE, TABLE_NAME, ruleset
from podwire.services.slots import AFFINE_SIZES, SIZES
from podwire.services.word import TIMEOUTS, timeout_bits
from tests.sandbox import sandboxed


@sandboxed
def test_there_is_a_chain_for_every_number_of_slots_and_a_rule_for_every_timeout() -> None:
    nft = Nftables()
    nft.run(ruleset().text)
    picks = nft.run(f"list map {TABLE} pick")
    for kind, sizes in (("spread", SIZES), ("affine", AFFINE_SIZES)):
        for size in sizes:
            assert f"goto {kind}-{size}" in picks
            assert f"numgen random mod {size} map" in nft.run(f"list chain {TABLE} {kind}-{size}")
    remember = nft.run(f"list chain {TABLE} remember")
    for seconds in TIMEOUTS:
        bits = timeout_bits(seconds)
        assert f"== {bits >> 16:x}:0 update" in remember


@sandboxed
def test_every_class_is_there_with_the_guard_and_without() -> None:
    nft = Nftables()
    nft.run(ruleset().text)
    pick, admitted = (nft.run(f"list map {TABLE} {name}") for name in ("pick", "pick_admitted"))
    chains = len(SIZES) + len(AFFINE_SIZES)
    assert (pick.count("goto guard"), pick.count("-")) == (2 + chains, chains + 1), "the table's name has a hyphen"
    assert (admitted.count("goto guard"), admitted.count("-")) == (0, chains + 1)


@sandboxed
def test_the_constant_part_is_nft_text_by_itself() -> None:
    Nftables().run((resources.files("podwire.services") / "services.nft").read_text())


@sandboxed
def test_it_is_loaded_again_in_place_of_what_is_there() -> None:
    nft = Nftables()
    nft.run(ruleset().replacement)
    nft.run(f"add element {TABLE} virtual4 {{ 10.96.0.1 }}")
    nft.run(ruleset().replacement)
    assert list(SetDump().elements(TABLE_NAME, "virtual4")) == []
