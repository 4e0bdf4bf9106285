"""What the numbers in each message mean: the derived table of the built-in kinds (see data/README.md)."""

from __future__ import annotations

import enum
import functools
import zipfile
from importlib import resources as package_data

import msgspec


class Holds(enum.StrEnum):
    """What a field's value is on the wire, and in JSON."""

    TRUTH = "truth"
    INTEGER = "integer"
    DOUBLE = "double"
    TEXT = "text"
    BYTES = "bytes"
    """In JSON as base64."""
    TEXTS = "texts"
    """A message around a list of texts, which JSON has as that list (`ExtraValue`)."""
    MESSAGE = "message"


class Shape(enum.StrEnum):
    """How many values a field has."""

    ONE = "one"
    LIST = "list"
    MAP = "map"
    """From texts to values."""


class Field(msgspec.Struct, frozen=True, gc=False, array_like=True, omit_defaults=True):
    """A numbered field. One without a name is a message whose fields are part of its parent's object in JSON."""

    name: str
    holds: Holds
    shape: Shape = Shape.ONE
    message: str = ""
    """The definition of the message that it holds."""
    zero_is_absent: bool = False
    """Whether JSON leaves out false, 0 and "", which Go writes here all the same."""


Message = dict[int, Field]


def message(name: str) -> Message:
    """The fields of a definition such as `io.k8s.api.core.v1.PodSpec` by number. An unknown one raises LookupError."""
    return _package(name.rpartition(".")[0])[name]


@functools.cache
def _package(name: str) -> dict[str, Message]:
    data = package_data.files("podwire.apiserver").joinpath("data/protobuf.zip")
    with data.open("rb") as file, zipfile.ZipFile(file) as archive:
        return msgspec.json.decode(archive.read(f"{name}.json"), type=dict[str, Message])
