import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.kube.watch_lines import Lines, LineTooLongError


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.integers(1, 9))
def test_pieces_of_any_size_give_the_same_lines(lines: list[bytes], size: int) -> None:
    whole = b"".join(line + b"\n" for line in lines) + b"incomplete"
    splitter = Lines()
    found = [line for start in range(0, len(whole), size) for line in splitter.feed(whole[start : start + size])]
    assert found == [line for line in lines if line]


def test_a_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert Lines(4).feed(b"abcd\nabcd\n") == [b"abcd", b"abcd"]
    for pieces in ((b"abcde\n",), (b"abc", b"de"), (b"abc", b"de\n")):
        splitter = Lines(4)
        with pytest.raises(LineTooLongError):
            list(map(splitter.feed, pieces))
