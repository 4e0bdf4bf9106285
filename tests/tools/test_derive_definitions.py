import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from tools.derive_schemas import pack

from tools import derive_definitions


def definition(channel: str = "standard") -> dict[str, Any]:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object"}},
        "additionalPrinterColumns": [{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}],
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "toys.example.com", "annotations": {f"example.com{derive_definitions.CHANNEL}": channel}},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Toy"}, "versions": [version]},
    }


def test_names_have_neither_schemas_nor_columns(tmp_path: Path) -> None:
    found = derive_definitions.definitions([f"---\n{yaml.safe_dump(definition())}---\nresources: []\n"], "standard")
    pack(derive_definitions.members({"standard": found}), tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert json.loads(archive.read("standard/definitions.json")) == [definition()]
        [names] = json.loads(archive.read("standard/names.json"))
    assert names["spec"]["versions"] == [
        {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}}
    ]
    assert names["spec"]["names"] == {"kind": "Toy"}


def test_a_definition_of_another_channel_is_refused() -> None:
    with pytest.raises(ValueError, match=r"toys.example.com is not of the standard channel"):
        derive_definitions.definitions([yaml.safe_dump(definition("experimental"))], "standard")
