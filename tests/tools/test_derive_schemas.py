import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tools import derive_schemas

PACKAGE = "io.k8s.api.toy.v1"
DEFINITIONS: dict[str, Any] = {
    f"{PACKAGE}.Toy": {
        "description": "A toy.",
        "type": ["object", "null"],
        "required": ["parts"],
        "properties": {
            "kind": {"type": ["string", "null"], "enum": ["Toy"]},
            "parts": {
                "description": "What it is made of.",
                "type": ["array", "null"],
                "items": {"$ref": "#/$defs/io.k8s.api.other.v1.Part"},
                "x-kubernetes-patch-strategy": "merge",
            },
        },
        "x-kubernetes-group-version-kind": [{"group": "toy", "version": "v1", "kind": "Toy"}],
    },
    "io.k8s.api.other.v1.Part": {"oneOf": [{"type": ["string", "null"]}, {"type": ["integer", "null"]}]},
    "io.k8s.api.other.v1.Unneeded": {"type": "object"},
}


def test_json_schema_is_turned_back_into_openapi() -> None:
    files = derive_schemas.members(DEFINITIONS, (PACKAGE,))
    assert files[f"structure/{PACKAGE}.json"][f"{PACKAGE}.Toy"] == {
        "type": "object",
        "required": ["parts"],
        "properties": {
            "kind": {"type": "string"},
            "parts": {
                "type": "array",
                "items": {"$ref": "io.k8s.api.other.v1.Part"},
                "x-kubernetes-patch-strategy": "merge",
            },
        },
        "x-kubernetes-group-version-kind": [{"group": "toy", "version": "v1", "kind": "Toy"}],
    }
    assert files["structure/io.k8s.api.other.v1.json"] == {
        "io.k8s.api.other.v1.Part": {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    }


def test_descriptions_stand_apart() -> None:
    files = derive_schemas.members(DEFINITIONS, (PACKAGE,))
    assert files[f"descriptions/{PACKAGE}.json"] == {f"{PACKAGE}.Toy": {"": "A toy.", "parts": "What it is made of."}}
    assert files["kinds.json"] == {"toy/v1 Toy": f"{PACKAGE}.Toy"}


def test_a_reference_to_nothing_is_an_error() -> None:
    with pytest.raises(KeyError, match="Part"):
        derive_schemas.members({f"{PACKAGE}.Toy": DEFINITIONS[f"{PACKAGE}.Toy"]}, (PACKAGE,))


def test_the_same_input_makes_the_same_archive(tmp_path: Path) -> None:
    files = derive_schemas.members(DEFINITIONS, (PACKAGE,))
    derive_schemas.pack(files, tmp_path / "one.zip")
    derive_schemas.pack(dict(reversed(files.items())), tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert json.loads(archive.read("kinds.json")) == files["kinds.json"]


def test_the_newest_release_is_taken(tmp_path: Path) -> None:
    for release in ("v1.9.0-local", "v1.37.0-local", "v1.36.0-local", "v1.37.0-local-strict"):
        folder = tmp_path / "kubernetes-json-schema" / release
        folder.mkdir(parents=True)
        (folder / "_definitions.json").write_text("{}")
    assert derive_schemas.newest(tmp_path).parent.name == "v1.37.0-local"
