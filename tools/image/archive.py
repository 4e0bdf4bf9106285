"""An OCI archive that `docker load` takes too: image layout 1.0 and Docker's manifest.json over the same blobs.

Sources: OCI image-spec 1.1 (image-layout.md, manifest.md, config.md), Docker image specification v1.2.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tools.image.tree import File, Tree


class ImageConfig(msgspec.Struct, frozen=True):
    """What a runtime does with the image."""

    reference: str
    architecture: str
    entrypoint: tuple[str, ...]
    environment: tuple[str, ...]
    labels: Mapping[str, str]
    time: int


class Layer(msgspec.Struct, frozen=True):
    """A layer's tar, and what made it."""

    tar: bytes
    made_by: str


def archive(config: ImageConfig, layers: Sequence[Layer]) -> tuple[bytes, str]:
    """The archive's tar, and the digest of the image's manifest."""
    tree = Tree()
    packed = [gzip.compress(layer.tar, compresslevel=9, mtime=0) for layer in layers]
    descriptors = [_blob(tree, "application/vnd.oci.image.layer.v1.tar+gzip", data) for data in packed]
    config_descriptor = _blob(tree, "application/vnd.oci.image.config.v1+json", _json(_config(config, layers)))
    manifest_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": config_descriptor,
        "layers": descriptors,
    }
    descriptor = _blob(tree, manifest_type, _json(manifest))
    name = config.reference
    annotations = {
        "io.containerd.image.name": f"docker.io/library/{name}",
        "org.opencontainers.image.ref.name": name.rpartition(":")[2],
    }
    platform = {"architecture": config.architecture, "os": "linux"}
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{**descriptor, "platform": platform, "annotations": annotations}],
    }
    docker = {
        "Config": _path(config_descriptor["digest"]),
        "RepoTags": [name],
        "Layers": [_path(each["digest"]) for each in descriptors],
    }
    tree["oci-layout"] = File(_json({"imageLayoutVersion": "1.0.0"}))
    tree["index.json"] = File(_json(index))
    tree["manifest.json"] = File(_json([docker]))
    return tree.tar(config.time), descriptor["digest"]


def _config(config: ImageConfig, layers: Sequence[Layer]) -> dict[str, Any]:
    created = datetime.fromtimestamp(config.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "created": created,
        "architecture": config.architecture,
        "os": "linux",
        "config": {
            "Env": list(config.environment),
            "Entrypoint": list(config.entrypoint),
            "WorkingDir": "/",
            "Labels": dict(config.labels),
        },
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer.tar) for layer in layers]},
        "history": [{"created": created, "created_by": layer.made_by} for layer in layers],
    }


def _blob(tree: Tree, media_type: str, data: bytes) -> dict[str, Any]:
    digest = _digest(data)
    tree[_path(digest)] = File(data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"
