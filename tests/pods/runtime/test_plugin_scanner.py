"""The compiled plugin's JSON scanner, against Python's json module."""

import ctypes
import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from podwire.pods.runtime.plugin import SOCKET_KEY
from tests.pods.plugins import compiled_by_cc
from tests.thoroughness import examples

DEPTH_LIMIT = 900
"""Of src/podwire-cni/configuration.h."""

# Keys and values as they may be, and bytes of JSON in any order: the compiled plugin has a scanner of its own.
KEYS = st.sampled_from(["cniVersion", "podwire.socket", "cniVersion\0"]) | st.text()
DOCUMENTS = st.dictionaries(KEYS, st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(KEYS, each),
)).map(json.dumps)  # fmt: skip
PIECES = st.sampled_from([
    "{", "}", "[", "]", ":", ",", '"', "\\", "cniVersion", "\\u0063", "\\ud83d", "\\ude00", "u", "n", "0", "1", "-",
    "+", ".", "e", "E", "true", "null", "NaN", " ", "\n", "\t", "\x0b", "\0", "\x7f", "é", "😀", '"x"', '"a":', "/",
]).map(str.encode) | st.binary(min_size=1, max_size=2)  # fmt: skip
FRAGMENTS = st.lists(PIECES, max_size=12).map(b"".join)


def expected(text: bytes) -> tuple[str | None, str | None] | None:
    """What Python's json reads of the two keys."""
    try:
        document = json.loads(text.decode(), parse_constant=_not_json)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    return _usable(document.get("cniVersion")), _usable(document.get(SOCKET_KEY))


def _usable(value: object) -> str | None:
    return value if isinstance(value, str) and not re.search("[\0\ud800-\udfff]", value) else None


def _not_json(constant: str) -> None:
    raise ValueError(constant)


class _Configuration(ctypes.Structure):
    _fields_ = [("version", ctypes.c_char_p), ("socket", ctypes.c_char_p)]


class Scanner:
    """read_configuration() of src/podwire-cni, in this process."""

    def __init__(self, library: Path) -> None:
        self._read = ctypes.CDLL(str(library)).read_configuration
        self._read.restype = ctypes.c_char_p

    def __call__(self, text: bytes) -> tuple[str | None, str | None] | None:
        """Version and socket, None for each that has no usable string; None for what is no JSON object."""
        result, place = _Configuration(), ctypes.c_size_t()
        error = self._read(text, ctypes.c_size_t(len(text)), ctypes.byref(result), ctypes.byref(place))
        assert place.value <= len(text)
        if error is not None:
            return None
        return tuple(value if value is None else value.decode() for value in (result.version, result.socket))  # type: ignore[return-value]  # two values


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Scanner:
    library = tmp_path_factory.mktemp("scanner") / "scanner.so"
    compiled_by_cc(library, "-shared", "-fPIC")
    return Scanner(library)


@settings(max_examples=examples(40))
@given(text=DOCUMENTS.map(str.encode) | FRAGMENTS.map(lambda middle: b'{"cniVersion":' + middle + b"}") | FRAGMENTS)
@example(text=b'{"cniVersion":"a","x":"\\"')
@example(text=b'{"podwire.socket":"/a","podwire\\u002esocket":"/b"}')
def test_the_compiled_plugin_reads_what_json_reads(scan: Scanner, text: bytes) -> None:
    assert scan(text) == expected(text)


def test_nesting_has_a_limit(scan: Scanner) -> None:
    for depth, accepted in ((DEPTH_LIMIT - 1, True), (DEPTH_LIMIT + 1, False), (1_000_000, False)):
        text = b'{"x":' + b"[" * depth + b"]" * depth + b"}"
        assert (scan(text) is not None) == accepted
