"""Read YAML of untrusted clients, and write it. Imported with the first such body.

PyYAML alone fails at a body of a few kilobytes: it follows nesting by recursion in C (the process crashes),
a merge key may double what it merges at every level, a number such as 1:1:1 is read in quadratic time, and one of many
digits or an impossible date raises ValueError. Here nesting and size are bounded while the text is read, and what looks
like a time or a number to the base of 60 is a text, and `y` and `on` are true, as sigs.k8s.io/yaml and kubectl have it.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import yaml

from podwire.apiserver.base.encoding import decode
from podwire.kube.yaml_output import represent_text

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node, ScalarNode

DEEPEST = 100
"""Levels of nesting, as in JSON bodies."""

MOST_NODES = 100_000
"""Keys and values of one document, those that merge keys repeat included: half a second of work. JSON has no limit."""

LARGEST_PRETTY = 256 * 1024
"""Bytes of JSON that are written as YAML proper. More is sent as it is: JSON is YAML, and costs a hundredth."""

LARGEST_WHOLE = 1e21
"""Below it Go writes a float without a fraction as a whole number."""

LONGEST_NUMBER = 400
"""Characters; a double needs 309 digits."""


class YamlError(ValueError):
    """The text cannot be read; the message has the reason."""


class TooMuchError(YamlError):
    """The text is well formed and needs more work than one body may."""


def read(text: bytes) -> Any:
    """The value of a document, its aliases shared and not written out. Raises YamlError."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe loader)
    except (yaml.YAMLError, ValueError, TypeError, LookupError, RecursionError) as error:
        if isinstance(error, YamlError):
            raise
        raise YamlError(str(error)) from error


def write(json: bytes) -> bytes:
    """JSON as YAML."""
    if len(json) > LARGEST_PRETTY:
        return json
    text: str = yaml.dump(decode(json), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text.encode("utf-8", "backslashreplace")


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """The safe dumper, for readers in Go."""


_Dumper.add_representer(str, represent_text)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader, with limits. The composer calls `descend_resolver` before each node and `ascend` after it."""

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self._level = 0
        self._nodes = 0

    def descend_resolver(self, current_node: Node | None, current_index: Any) -> None:  # noqa: ARG002
        self._level += 1
        if self._level > DEEPEST:
            raise YamlError(f"the body is nested deeper than {DEEPEST} levels")
        self._count(1)

    def ascend_resolver(self) -> None:
        self._level -= 1

    def flatten_mapping(self, node: MappingNode) -> None:
        """Merge keys, once their cost is known: what they merge may merge in turn."""
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for one in merged:
                    if isinstance(one, yaml.MappingNode):
                        self.flatten_mapping(one)
                self._count(sum(len(one.value) for one in merged))
        super().flatten_mapping(node)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; a key that reads as a boolean is its JSON text."""
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return {_WORDS.get(key, key) if isinstance(key, bool) else key: value for key, value in found.items()}

    def construct_number(self, node: ScalarNode) -> Any:
        """A number, without a fraction of zero; a text where it is one only to the base of 60, or too large for any."""
        if ":" in node.value or len(node.value) > LONGEST_NUMBER:
            return node.value
        if node.tag == "tag:yaml.org,2002:int":
            return int(node.value, 8) if "0o" in node.value else self.construct_yaml_int(node)
        number: float = self.construct_yaml_float(node)
        if not math.isfinite(number):
            if node.value[-1].isdigit():
                return node.value
            raise YamlError(f"JSON has no number {node.value}")
        return int(number) if number.is_integer() and abs(number) < LARGEST_WHOLE else number

    def _count(self, more: int) -> None:
        self._nodes += more
        if self._nodes > MOST_NODES:
            raise TooMuchError(f"the body has more than {MOST_NODES} keys and values: send it as JSON")


_WORDS = {True: "true", False: "false"}
_Loader.bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("[yYnN]$"), list("yYnN"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile("[-+]?0o[0-7]+$"), list("-+0"))
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
for _tag in ("value", "merge"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _Loader.construct_yaml_str)
for _tag in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_str)
