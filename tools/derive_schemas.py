"""Derive the packed schemas of the API server from the published Kubernetes schemas.

Usage:  python -m tools.derive_schemas PATH/TO/kubernetes_validate [src/podwire/apiserver/data/schemas.zip]

PATH is the installed folder of the PyPI package `kubernetes-validate`, whose newest `_definitions.json` holds all
definitions of one Kubernetes release (made from kubernetes/kubernetes `api/openapi-spec`, Apache-2.0). It was turned
from OpenAPI into JSON Schema; this undoes it: `["array", "null"]` becomes `array`, and the `enum` of kind and
apiVersion goes.

The archive has one member each for the structure and for the descriptions of a Go package's definitions, so that the
server decodes only what a request needs, and `kinds.json` that finds the definition of a kind. The same input always
makes the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

Definition = dict[str, Any]

PACKAGES = (
    "io.k8s.api.admissionregistration.v1",
    "io.k8s.api.apps.v1",
    "io.k8s.api.authentication.v1",
    "io.k8s.api.authorization.v1",
    "io.k8s.api.autoscaling.v1",
    "io.k8s.api.autoscaling.v2",
    "io.k8s.api.batch.v1",
    "io.k8s.api.certificates.v1",
    "io.k8s.api.coordination.v1",
    "io.k8s.api.core.v1",
    "io.k8s.api.discovery.v1",
    "io.k8s.api.events.v1",
    "io.k8s.api.networking.v1",
    "io.k8s.api.policy.v1",
    "io.k8s.api.rbac.v1",
    "io.k8s.api.scheduling.v1",
    "io.k8s.api.storage.v1",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
    "io.k8s.apimachinery.pkg.api.resource",
    "io.k8s.apimachinery.pkg.apis.meta.v1",
    "io.k8s.apimachinery.pkg.runtime",
    "io.k8s.apimachinery.pkg.util.intstr",
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1",
)
"""What podwire serves or is about to serve. Of other packages only what these refer to is kept."""

FIRST_DAY = (1980, 1, 1, 0, 0, 0)


def normalised(schema: Definition) -> Definition:
    """One schema as OpenAPI has it, without descriptions."""
    result: Definition = {}
    for key, value in schema.items():
        if key == "type":
            result[key] = next(name for name in value if name != "null") if isinstance(value, list) else value
        elif key == "$ref":
            result[key] = value.removeprefix("#/$defs/")
        elif key == "properties":
            result[key] = {name: normalised(child) for name, child in value.items()}
        elif key in {"items", "additionalProperties"}:
            result[key] = normalised(value)
        elif key == "oneOf":
            result[key] = [normalised(child) for child in value]
        elif key not in {"description", "enum"}:
            result[key] = value
    return result


def descriptions(definition: Definition) -> dict[str, str]:
    """The texts of one definition by property; its own under the empty name."""
    texts = {"": definition.get("description", "")}
    for name, child in definition.get("properties", {}).items():
        texts[name] = child.get("description", "")
    return {name: text for name, text in texts.items() if text}


def kinds(definitions: dict[str, Definition]) -> dict[str, str]:
    """The definition of each kind, by `apiVersion Kind`. Kinds of all groups (DeleteOptions) are left out."""
    found = {}
    for name, definition in definitions.items():
        names = definition.get("x-kubernetes-group-version-kind", [])
        if len(names) == 1:
            group, version, kind = (names[0][part] for part in ("group", "version", "kind"))
            found[f"{group}/{version} {kind}" if group else f"{version} {kind}"] = name
    return found


def reachable(definitions: dict[str, Definition], packages: tuple[str, ...]) -> dict[str, Definition]:
    """The packages' definitions and all that they refer to. A reference to nothing raises KeyError."""
    kept: dict[str, Definition] = {}
    pending = [name for name in definitions if name.rpartition(".")[0] in packages]
    while pending:
        name = pending.pop()
        if name not in kept:
            kept[name] = definitions[name]
            pending += re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(kept[name]))
    return kept


def members(definitions: dict[str, Definition], packages: tuple[str, ...] = PACKAGES) -> dict[str, Any]:
    """The archive's files by name."""
    kept = reachable(definitions, packages)
    files: dict[str, Any] = {"kinds.json": kinds(kept)}
    for name, definition in kept.items():
        package = name.rpartition(".")[0]
        files.setdefault(f"structure/{package}.json", {})[name] = normalised(definition)
        files.setdefault(f"descriptions/{package}.json", {})[name] = descriptions(definition)
    return files


def pack(files: dict[str, Any], target: Path) -> None:
    """Write the archive, the same bytes for the same content."""
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, FIRST_DAY)
            info.compress_type = zipfile.ZIP_DEFLATED
            text = json.dumps(content, separators=(",", ":"), sort_keys=True)
            archive.writestr(info, text, compresslevel=9)


def newest(package: Path) -> Path:
    """The newest release's definitions in the installed package."""
    found = package.glob("kubernetes-json-schema/v*-local/_definitions.json")
    return max(found, key=lambda path: [int(number) for number in re.findall(r"\d+", path.parent.name)])


def main() -> None:
    source = newest(Path(sys.argv[1]))
    target = Path(sys.argv[2] if len(sys.argv) > 2 else "src/podwire/apiserver/data/schemas.zip")
    files = members(json.loads(source.read_text())["$defs"])
    pack(files, target)
    print(f"{source.parent.name}: {len(files['kinds.json'])} kinds, {target.stat().st_size} bytes in {target}")


if __name__ == "__main__":
    main()
