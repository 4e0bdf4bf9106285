"""YAML that kubectl reads as it was meant: texts that it would take for numbers or booleans are quoted. Pure.

PyYAML quotes what PyYAML reads as another value. kubectl (sigs.k8s.io/yaml, goyaml.v2 `resolve.go`) also reads `y` and
`n` as booleans, and `1e3` and `0o17` as numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import yaml
from yaml.nodes import ScalarNode

_OTHER = re.compile(
    r"[yYnN]|[-+]?0o[0-7_]+|[-+]?0b[01_]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII
)
"""Texts that are another value for kubectl; most of them are for PyYAML too."""
_PLAIN = re.compile(r"[A-Za-z0-9_./][-A-Za-z0-9_./@+]*", re.ASCII)
_TEXT = "tag:yaml.org,2002:str"
_RESOLVER: Any = yaml.resolver.Resolver()


def block(value: Any) -> str:
    """Return a value in block style, its keys in the order in which they are; no part is an alias."""
    return str(yaml.dump(value, Dumper=Dumper, sort_keys=False))


def blocks(values: Iterable[Any]) -> str:
    """Return several documents."""
    return str(yaml.dump_all(values, Dumper=Dumper, sort_keys=False))


def scalar(text: str) -> str:
    """Return a text as it is written in a line, lists and mappings in braces included; quoted where it must be."""
    plain = _PLAIN.fullmatch(text) is not None and _OTHER.fullmatch(text) is None
    return text if plain and _RESOLVER.resolve(ScalarNode, text, (True, False)) == _TEXT else json.dumps(text)


class Dumper(yaml.SafeDumper):
    """Quotes texts as kubectl needs it, and writes no anchors, which people do not read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML names the arguments
        """Write equal parts each time."""
        return True


def represent_text(dumper: Any, text: str) -> ScalarNode:
    """Return a text as a node for a dumper of PyYAML."""
    node: ScalarNode = dumper.represent_scalar(_TEXT, text, style="'" if _OTHER.fullmatch(text) else None)
    return node


Dumper.add_representer(str, represent_text)
