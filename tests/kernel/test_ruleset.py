import pytest

from podwire.kernel.nftables import Nftables, NftablesError
from podwire.kernel.ruleset import Ruleset
from tests.sandbox import sandboxed

OLD = Ruleset(("inet t",), "table inet t {\n set old { type ipv4_addr; }\n}")
NEW = Ruleset(("inet t",), "table inet t {\n set new { type ipv4_addr; }\n}")


class Refusing:
    """An nft that refuses everything."""

    def release(self) -> None:
        """Nothing is remembered."""

    def run(self, text: str) -> str:
        raise NftablesError(f"Operation not permitted: {text}")


@sandboxed
def test_only_the_same_text_is_kept_and_a_new_one_replaces_all_of_the_old() -> None:
    nft = Nftables()
    assert not NEW.is_loaded(nft)
    nft.run(OLD.text)
    assert OLD.is_loaded(nft)
    assert not NEW.is_loaded(nft)
    NEW.load(nft, "add element inet t new { 10.0.0.1 }\n")
    assert NEW.is_loaded(nft)
    assert not OLD.is_loaded(nft)
    listed = nft.run("list table inet t")
    assert "set old" not in listed
    assert "10.0.0.1" in listed


def test_trouble_is_not_taken_for_another_release() -> None:
    with pytest.raises(NftablesError, match="not permitted"):
        NEW.is_loaded(Refusing())
