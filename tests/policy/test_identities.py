from pathlib import Path

import pytest

from podwire.policy import identities as numbers_module
from podwire.policy.identities import IdentityAllocator
from podwire.policy.model import Identity, NamedPort
from podwire.policy.numbering import ANY_POD

WEB = Identity("x", (("app", "web"),), (NamedPort("http", "TCP", 80),))
TRICKY = Identity("x", (("app", 'web"],[["x"'),))


def test_a_number_says_pod_namespace_and_identity(tmp_path: Path) -> None:
    numbers = IdentityAllocator(tmp_path / "numbers.db")
    assert numbers.namespace("x") == ANY_POD | 1 << 16
    assert numbers.identity(WEB) == ANY_POD | 1 << 16 | 1
    assert numbers.identity(TRICKY) == ANY_POD | 1 << 16 | 2
    assert numbers.identity(Identity("y")) == ANY_POD | 2 << 16 | 1


def test_numbers_are_the_same_after_a_restart(tmp_path: Path) -> None:
    before = IdentityAllocator(tmp_path / "numbers.db")
    wanted = [before.identity(Identity("y")), before.identity(TRICKY), before.identity(WEB)]
    before.close()
    after = IdentityAllocator(tmp_path / "numbers.db")
    assert [after.identity(i) for i in (Identity("y"), TRICKY, WEB)] == wanted
    assert set(after.allocations()) == {"x", "y", WEB, TRICKY, Identity("y")}


def test_a_released_number_is_reused_last_and_the_oldest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers_module, "LAST_IDENTITY", 0x3)
    numbers = IdentityAllocator(tmp_path / "numbers.db")
    one, two = (Identity("x", (("n", str(n)),)) for n in (1, 2))
    first, second = numbers.identity(one), numbers.identity(two)
    numbers.release(two)
    numbers.release(one)
    numbers.close()
    numbers = IdentityAllocator(tmp_path / "numbers.db")
    fresh = numbers.identity(WEB)
    assert fresh not in {first, second}
    assert [numbers.identity(one), numbers.identity(two)] == [second, first]


def test_without_a_free_number_the_identity_is_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(numbers_module, "LAST_IDENTITY", 1)
    numbers = IdentityAllocator(tmp_path / "numbers.db")
    assert numbers.identity(WEB)
    assert numbers.identity(TRICKY) == 0
    assert "too many kinds of pods" in caplog.text
    numbers.release(WEB)
    assert numbers.identity(TRICKY)


def test_numbers_in_the_kernel_that_the_file_does_not_know_are_never_given_out(tmp_path: Path) -> None:
    numbers = IdentityAllocator(tmp_path / "numbers.db")
    numbers.found_in_kernel([ANY_POD, 0, ANY_POD | 1 << 16 | 1, ANY_POD | 2 << 16])
    assert numbers.namespace("x") == ANY_POD | 3 << 16


def test_numbers_in_the_kernel_that_the_file_knows_keep_their_meaning(tmp_path: Path) -> None:
    numbers = IdentityAllocator(tmp_path / "numbers.db")
    known = numbers.identity(WEB)
    numbers.found_in_kernel([known])
    assert numbers.identity(WEB) == known
    assert numbers.identity(TRICKY) == known + 1
