from pathlib import Path

import pytest

from tools.conformance import cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_product_is_made_once_for_the_same_inputs() -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        folder.joinpath("program").write_text("x")

    first = cache.product("agnhost", cache.key("a"), make)
    second = cache.product("agnhost", cache.key("a"), make)
    assert first == second
    assert first.joinpath("program").read_text() == "x"
    assert len(made) == 1


def test_a_product_of_other_inputs_takes_the_place_of_the_former() -> None:
    old = cache.product("agnhost", cache.key("a"), lambda _: None)
    other = cache.product("agnhost-prev", cache.key("a"), lambda _: None)
    new = cache.product("agnhost", cache.key("b"), lambda _: None)
    assert new.is_dir()
    assert other.is_dir(), "another product, though its name begins alike"
    assert not old.exists()


def test_a_make_that_fails_leaves_nothing() -> None:
    def make(folder: Path) -> None:
        folder.joinpath("half").write_text("x")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        cache.product("agnhost", cache.key("a"), make)
    assert list(cache.root().iterdir()) == []


def test_keys_differ_where_the_same_bytes_are_split_otherwise() -> None:
    assert cache.key("ab", "c") != cache.key("a", "bc")
    assert cache.key("ab") == cache.key(b"ab")
