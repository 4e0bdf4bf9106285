"""Pack CustomResourceDefinitions that another project publishes for the API server.

Usage:  python -m tools.derive_definitions PATH/TO/config/crd TARGET.zip

PATH is the folder of a release of kubernetes-sigs/gateway-api or kubernetes-sigs/network-policy-api with a folder for
each channel, or deploy/definitions, podwire's own. TARGET is src/podwire/apiserver/data/NAME/definitions.zip.

The archive has two members for each channel: `CHANNEL/definitions.json`, the objects unchanged, and
`CHANNEL/names.json`, the same without schemas and columns, from which the kinds are served until the first request
needs more. What is no definition (a ValidatingAdmissionPolicy, a kustomization) is left out. The same input always
makes the same bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tools.derive_schemas import pack

Object = dict[str, Any]

CHANNELS = ("standard", "experimental")
CHANNEL = "/channel"
"""The end of the annotation that has the channel; the group of the project comes before it."""


def definitions(texts: Iterable[str], channel: str) -> list[Object]:
    """The definitions in these YAML texts, by name; raises ValueError where one is of another channel."""
    documents = (document for text in texts for document in yaml.safe_load_all(text) if document)
    found = [document for document in documents if document.get("kind") == "CustomResourceDefinition"]
    for definition in found:
        annotations = definition["metadata"]["annotations"]
        if [text for key, text in annotations.items() if key.endswith(CHANNEL)] != [channel]:
            raise ValueError(f"{definition['metadata']['name']} is not of the {channel} channel")
    return sorted(found, key=lambda definition: str(definition["metadata"]["name"]))


def names(definition: Object) -> Object:
    """A definition without schemas and columns."""
    spec = definition["spec"]
    kept = ("name", "served", "storage", "deprecated", "deprecationWarning", "subresources")
    versions = [{part: version[part] for part in kept if part in version} for version in spec["versions"]]
    own = {part: spec[part] for part in ("group", "scope", "names")}
    return {"metadata": {"name": definition["metadata"]["name"]}, "spec": {**own, "versions": versions}}


def members(channels: dict[str, list[Object]]) -> dict[str, Any]:
    """The files of the archive by name."""
    files: dict[str, Any] = {}
    for channel, found in channels.items():
        files[f"{channel}/definitions.json"] = found
        files[f"{channel}/names.json"] = [names(one) for one in found]
    return files


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    channels = {
        channel: definitions((path.read_text() for path in sorted((source / channel).glob("*.yaml"))), channel)
        for channel in CHANNELS
        if (source / channel).is_dir()
    }
    pack(members(channels), target)
    counts = ", ".join(f"{len(found)} of {channel}" for channel, found in channels.items())
    print(f"{counts}; {target.stat().st_size} bytes in {target}")


if __name__ == "__main__":
    main()
