"""What is written is read as the same texts, by readers that take more of them for numbers and booleans than PyYAML."""

from __future__ import annotations

import pytest
import yaml

from podwire.apiserver.bodies import yaml_text
from podwire.insight.sources.yaml_values import documents
from podwire.kube import yaml_output

OTHERS = ("y", "N", "yes", "on", "true", "null", "~", "1", "1e3", "12e45", "0o17", "0b11", "0x1f", "1_000", ".5", "")
SPECIAL = (
    "a, b",
    "[x]",
    "{x}",
    "a: b",
    "# x",
    "- x",
    "&a",
    "*a",
    "!x",
    "x #y",
    "'x'",
    '"x"',
    "a\nb",
    "ä b",
    "%x",
    "@x",
)
PLAIN = ("shop", "shop/frontend", "deploy/my-app_2.1", "10.0.0.0/8", "1.2.3", "yes-no", "e3", "./x", "../x")


@pytest.mark.parametrize("text", [*OTHERS, *SPECIAL, *PLAIN])
def test_each_form_is_read_as_the_text_that_was_written(text: str) -> None:
    value = {"key": text, text: ["x", text]}
    assert [one for _, _, one in documents(yaml_output.block(value))] == [value]
    assert yaml.safe_load(yaml_output.block(value)) == value
    assert next(documents(f"[{yaml_output.scalar(text)}, x]"))[2] == [text, "x"]
    assert yaml_text.read(yaml_text.write(b'{"a":"y","b":"1e3","c":"0o17"}')) == {"a": "y", "b": "1e3", "c": "0o17"}


def test_plain_words_and_numbers_stay_as_they_are() -> None:
    assert [yaml_output.scalar(one) for one in PLAIN] == list(PLAIN)
    assert yaml_output.block({"a": "web", "b": 80, "c": True}) == "a: web\nb: 80\nc: true\n"
    shared = {"x": "y1"}
    assert "&" not in yaml_output.block([shared, shared])
