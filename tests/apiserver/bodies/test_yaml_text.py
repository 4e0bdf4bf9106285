from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import pytest

from podwire.apiserver.base.status import StatusError
from podwire.apiserver.bodies import yaml_text
from podwire.apiserver.bodies.reader import read_yaml
from tests.apiserver.conftest import KUBECTL

DOUBLING = b"".join(b"a%d: &a%d {<<: [*a%d, *a%d]}\n" % (n + 1, n + 1, n, n) for n in range(60))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"a: yes\nb: 0x10\nc: 1_000\nd: 1.5", {"a": True, "b": 16, "c": 1000, "d": 1.5}),
        (b"a: 2024-01-01\nb: 2024-99-99", {"a": "2024-01-01", "b": "2024-99-99"}),
        (b"a: 1:30\nb: 1:30.5", {"a": "1:30", "b": "1:30.5"}),
        (b"a: &x {k: 1}\nb: {<<: *x, j: 2}", {"a": {"k": 1}, "b": {"k": 1, "j": 2}}),
        (b'{"a": [1, null]}', {"a": [1, None]}),
    ],
)
def test_what_is_read(text: bytes, value: Any) -> None:
    assert read_yaml(text) == value


AMBIGUOUS = """\
y Y n N yes No on OFF True true ~ Null 0o17 017 08 0b11 0x1F 1_000 1e3 1.5e3 .5 5. 1.0 0.0 1.5 +1 +.5 -1 1:30 1e400
12:30:45 2024-01-01 2024-01-01T00:00:00Z 9223372036854775807 _1 1_ 0x = << yep nope e3 1.2.3"""


@pytest.mark.proves("yaml-bodies")
def test_texts_and_numbers_read_as_kubectl_reads_them() -> None:
    keys = ("y", "yes", "on", "off", "1", "1.5", "true")
    fields = [f"  v{number}: {word}\n" for number, word in enumerate(AMBIGUOUS.split())]
    for form in (fields, *([f"  {key}: v\n"] for key in keys)):
        text = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec:\n" + "".join(form)
        command = [KUBECTL, "annotate", "--local", "-f", "-", "a=b", "-o", "json"]
        shown = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
        assert read_yaml(text.encode())["spec"] == json.loads(shown)["spec"]


def test_values_that_json_cannot_express_are_refused() -> None:
    for word in (".inf", "-.Inf", ".nan"):
        with pytest.raises(StatusError, match="JSON has no number"):
            read_yaml(f"a: {word}".encode())


@pytest.mark.proves("bad-yaml")
@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        (b"[" * 100_000, 400, "deeper"),
        (b"{a: " * 101 + b"1" + b"}" * 101, 400, "deeper"),
        (b"a0: &a0 {x: 1}\n" + DOUBLING, 413, "JSON"),
        (b"[" + b"a," * 200_000 + b"]", 413, "JSON"),
        (b"&a [*a]", 400, "deeper"),
        (b"&a {<<: *a}", 400, "recursion"),
        (b"a: !!int x", 400, "not valid YAML"),
        (b"a: !!int ''", 400, "not valid YAML"),
        (b"a: !!bool maybe", 400, "not valid YAML"),
        (b"!!python/object:os.system {}", 400, "not valid YAML"),
        (b"a: b\n---\nc: d", 400, "single document"),
        (b"? [a]\n: b", 400, "not valid YAML"),
    ],
)
def test_what_would_cost_too_much_or_is_broken_is_refused(text: bytes, code: int, word: str) -> None:
    with pytest.raises(StatusError, match=word) as refusal:
        read_yaml(text)
    assert refusal.value.code == code


def test_a_hundred_levels_are_read() -> None:
    text = b"{a: " * 98 + b"1" + b"}" * 98
    assert json.dumps(read_yaml(text)).count("{") == 98


def test_a_number_to_the_base_of_60_costs_no_time() -> None:
    """PyYAML takes seven minutes for this one."""
    began = time.process_time()
    assert isinstance(read_yaml(b"1:1" + b":1" * 1_000_000), str)
    assert time.process_time() - began < 10


def test_small_answers_are_written_for_people_and_large_ones_at_once() -> None:
    assert yaml_text.write(b'{"a":["x"]}') == b"a:\n- x\n"
    large = b'{"a":"' + b"x" * yaml_text.LARGEST_PRETTY + b'"}'
    assert yaml_text.write(large) is large
