import pytest

from podwire.services.slots import AFFINE_SIZES, SIZES
from podwire.services.word import (
    GUARD,
    LARGEST_POOL,
    TIMEOUTS,
    Verdict,
    effective_timeout,
    meaning,
    slots_bits,
    sticky,
    sticky_number,
    timeout_bits,
    verdict_bits,
)


@pytest.mark.parametrize("affine", [False, True])
def test_a_word_holds_what_was_put_into_it(affine: bool) -> None:
    for size in AFFINE_SIZES if affine else SIZES:
        seconds = 10_800 if affine else 0
        word = slots_bits(size, affine=affine) | timeout_bits(seconds) | LARGEST_POOL
        parts = meaning(word)
        assert (parts.pool, parts.verdict, parts.slots, parts.affinity_seconds) == (LARGEST_POOL, None, size, seconds)
        assert not parts.guarded
        assert meaning(word | GUARD).guarded
        assert word | GUARD < 1 << 32


def test_no_two_classes_share_a_number() -> None:
    words = [verdict_bits(verdict) for verdict in Verdict]
    words += [slots_bits(size, affine=False) for size in SIZES]
    words += [slots_bits(size, affine=True) for size in AFFINE_SIZES]
    assert len(set(words)) == len(words)


def test_verdicts_print_as_words() -> None:
    assert str(meaning(verdict_bits(Verdict.REFUSE) | 7)) == "pool 7, refuse"
    assert str(meaning(verdict_bits(Verdict.DROP) | GUARD)) == "pool 0, drop, source ranges"
    assert str(meaning(slots_bits(3, affine=True) | timeout_bits(60) | 1)) == "pool 1, 3 slots, affinity 60 s"


def test_a_timeout_is_the_next_one_that_the_rules_have() -> None:
    assert effective_timeout(10_800) == 10_800
    assert effective_timeout(1) == 1
    assert effective_timeout(11) == 15
    assert effective_timeout(125) == 125, "Kubernetes' own tests come again every 130 s"
    assert effective_timeout(86_400) == 86_400
    assert [effective_timeout(seconds) for seconds in TIMEOUTS] == list(TIMEOUTS)


def test_a_sticky_word_keeps_its_number_beside_pool_and_timeout() -> None:
    word = sticky(LARGEST_POOL, 511, timeout_bits(86_400))
    assert word < 1 << 32
    assert sticky_number(word) == 511
    assert word & LARGEST_POOL == LARGEST_POOL
