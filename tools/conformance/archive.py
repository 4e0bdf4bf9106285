"""A container image as `docker save` writes it (Docker image specification 1.2), made without Docker."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Go's names of processors by the kernel's; the others are the same."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a container of the image runs when its pod says nothing else."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    user: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a layer that is not in its tree: its path in the image, and where it is or what it holds."""

    path: str
    source: Path | bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its names, its files, its settings."""

    names: tuple[str, ...]
    settings: Settings
    tree: Path | None = None
    files: tuple[File, ...] = ()
    links: tuple[tuple[str, str], ...] = field(default=())
    """Symbolic links: path in the image, target."""


def write(image: Image, target: Path) -> None:
    """Write the archive of one image, of one layer, all of root and of the same time: equal inputs, equal bytes."""
    layer = target.with_suffix(".layer")
    try:
        write_layer(image, layer)
        config = configuration(image.settings, _sha256(layer))
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": config_name, "RepoTags": list(image.names), "Layers": ["layer/layer.tar"]}]
        with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
            _add_bytes(archive, config_name, config, 0o644)
            archive.add(layer, "layer/layer.tar", filter=_of_root)
            _add_bytes(archive, "manifest.json", json.dumps(manifest).encode(), 0o644)
    finally:
        layer.unlink(missing_ok=True)


def write_layer(image: Image, target: Path) -> None:
    """Write the only layer: the tree, then the files, then the links."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as layer:
        if image.tree is not None:
            for path in sorted(_below(image.tree)):
                layer.add(path, str(path.relative_to(image.tree)), recursive=False, filter=_of_root)
        for item in image.files:
            content = item.source if isinstance(item.source, bytes) else item.source.read_bytes()
            _add_bytes(layer, item.path.lstrip("/"), content, item.mode)
        for name, destination in image.links:
            link = tarfile.TarInfo(name.lstrip("/"))
            link.type, link.linkname = tarfile.SYMTYPE, destination
            layer.addfile(link)


def configuration(settings: Settings, layer_digest: str) -> bytes:
    """The image's configuration, as JSON."""
    machine = platform.machine()
    document: dict[str, Any] = {
        "architecture": ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {
            "Entrypoint": list(settings.entrypoint) or None,
            "Cmd": list(settings.cmd) or None,
            "Env": list(settings.env),
            "User": settings.user,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
    }
    return json.dumps(document).encode()


def _below(tree: Path) -> Iterable[Path]:
    for folder, folders, files in os.walk(tree):
        yield from (Path(folder, name) for name in [*folders, *files])


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    archive.addfile(member, io.BytesIO(content))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
