"""The derived table against the published schemas, which come from another source."""

from __future__ import annotations

import zipfile
from importlib import resources

import msgspec
import pytest

from podwire.apiserver.bodies.protobuf import messages
from podwire.apiserver.bodies.protobuf.forms import CHOICES
from podwire.apiserver.bodies.protobuf.messages import Field, Holds, Message, Shape
from podwire.apiserver.kinds import schema

JSON_TYPES = {
    Holds.TRUTH: "boolean",
    Holds.INTEGER: "integer",
    Holds.DOUBLE: "number",
    Holds.TEXT: "string",
    Holds.BYTES: "string",
}
NOT_ON_THE_WIRE = {"apiVersion", "kind"}


def table() -> dict[str, Message]:
    with resources.files("podwire.apiserver").joinpath("data/protobuf.zip").open("rb") as file:
        archive = zipfile.ZipFile(file)
        parts = [msgspec.json.decode(archive.read(name), type=dict[str, Message]) for name in archive.namelist()]
    return {name: message for part in parts for name, message in part.items()}


TABLE = table()


def named(message: Message) -> dict[str, Field]:
    """The fields by JSON name, with those that stand in the parent's object."""
    found = {field.name: field for field in message.values() if field.name}
    for field in message.values():
        if not field.name:
            found |= named(messages.message(field.message))
    return found


def published() -> dict[str, schema.Schema]:
    """The published definitions of all messages but those that only stand in others' objects."""
    packages = {name.rpartition(".")[0] for name in TABLE}
    known = {name: one for package in packages for name, one in schema.structures(package).items()}
    return {name: known[name] for name in TABLE if name in known}


def test_only_messages_within_others_have_no_schema() -> None:
    within = {field.message for message in TABLE.values() for field in message.values() if not field.name}
    assert set(TABLE) - set(published()) == within - set(published())
    assert len(published()) > 400


def test_every_field_is_in_the_published_schema_and_the_other_way() -> None:
    for name, definition in published().items():
        if name in CHOICES:
            continue
        known = set(definition.properties) - (NOT_ON_THE_WIRE - set(named(TABLE[name])))
        assert set(named(TABLE[name])) == known, name


@pytest.mark.proves("protobuf-shapes", "protobuf-bodies")
def test_every_field_holds_the_type_of_its_schema() -> None:
    for name, definition in published().items():
        for field in () if name in CHOICES else named(TABLE[name]).values():
            whole = schema.resolve(definition.properties[field.name])
            assert (whole.type == "array") is (field.shape is Shape.LIST), (name, field)
            assert (whole.additional is not None) is (field.shape is Shape.MAP), (name, field)
            held = {Shape.LIST: whole.items, Shape.MAP: whole.additional, Shape.ONE: whole}[field.shape]
            assert held is not None
            if field.holds in JSON_TYPES:
                assert schema.resolve(held).type == JSON_TYPES[field.holds], (name, field)
            assert (field.holds is Holds.BYTES) is (held.format == "byte"), (name, field)


def test_an_unknown_message_raises() -> None:
    with pytest.raises(LookupError):
        messages.message("io.k8s.api.core.v1.Toaster")
