"""Image archives made for tests, honest and hostile ones, in the layouts that the tools write."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podwire.lab.images.manifest import architecture

HERE = architecture(platform.machine())


def entry(name: str, content: bytes = b"", **settings: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A member of a layer; a name that ends in `/` is a folder."""
    member = tarfile.TarInfo(name.rstrip("/") if len(name) > 1 else name)
    member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
    member.mode = 0o755 if name.endswith("/") else 0o644
    for key, value in settings.items():
        setattr(member, key, value)
    member.size = len(content)
    return member, content


def link(name: str, target: str, **settings: Any) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.SYMTYPE, linkname=target, **settings)


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Image:
    """What goes into an archive. `compress` makes the layers' blobs from their tars."""

    layers: list[bytes]
    config: dict[str, Any] = field(default_factory=dict)
    architecture: str = HERE
    os: str = "linux"
    compressed: bool = True
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def configuration(self) -> bytes:
        document = {
            "architecture": self.architecture,
            "os": self.os,
            "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in self.layers]},
        }
        return json.dumps(document).encode()

    @property
    def id(self) -> str:
        return digest(self.configuration)

    def blobs(self) -> list[bytes]:
        return [gzip.compress(layer, mtime=0) if self.compressed else layer for layer in self.layers]

    def manifest(self) -> bytes:
        kind = "tar+gzip" if self.compressed else "tar"
        document = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor(self.configuration, "application/vnd.oci.image.config.v1+json"),
            "layers": [descriptor(blob, f"application/vnd.oci.image.layer.v1.{kind}") for blob in self.blobs()],
        }
        return json.dumps(document).encode()


def descriptor(data: bytes, kind: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest(data), "size": len(data), **more}


def blob(data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return entry(f"blobs/sha256/{digest(data).partition(':')[2]}", data)


def oci(*images: Image, more: tuple[tuple[tarfile.TarInfo, bytes], ...] = ()) -> bytes:
    """An OCI layout with each image's manifest in its index."""
    kind = "application/vnd.oci.image.manifest.v1+json"
    index = {
        "schemaVersion": 2,
        "manifests": [descriptor(image.manifest(), kind, annotations=image.annotations) for image in images],
    }
    return layout(index, *(part for image in images for part in parts(image)), *more)


def parts(image: Image) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [blob(data) for data in (image.manifest(), image.configuration, *image.blobs())]


def layout(index: dict[str, Any], *members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    return tar(
        entry("blobs/"),
        entry("blobs/sha256/"),
        *members,
        entry("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
        entry("index.json", json.dumps(index).encode()),
    )


def several_platforms(name: str, *images: Image) -> bytes:
    """One image for several platforms, with an attestation beside them, as buildx writes it."""
    kind = "application/vnd.oci.image.manifest.v1+json"
    statement = {"platform": {"architecture": "unknown", "os": "unknown"}}
    index = "application/vnd.oci.image.index.v1+json"
    inner = {
        "schemaVersion": 2,
        "mediaType": index,
        "manifests": [
            descriptor(b"{}", kind, annotations={"vnd.docker.reference.type": "attestation-manifest"}, **statement),
            *(
                descriptor(image.manifest(), kind, platform={"architecture": image.architecture, "os": image.os})
                for image in images
            ),
        ],
    }
    raw = json.dumps(inner).encode()
    top = {"manifests": [descriptor(raw, index, annotations={"io.containerd.image.name": name})]}
    return layout(top, blob(raw), *(part for image in images for part in parts(image)))


def docker(*images: tuple[Image, list[str]]) -> bytes:
    """What `docker save` wrote before version 25; a layer that was there before is a link to it."""
    members: list[tuple[tarfile.TarInfo, bytes]] = []
    manifest: list[dict[str, Any]] = []
    seen: dict[bytes, str] = {}
    for number, (image, tags) in enumerate(images):
        paths = []
        for position, layer in enumerate(image.layers):
            path = f"{number}{position}/layer.tar"
            if layer in seen:
                members.append(link(path, f"../{seen[layer]}"))
            else:
                members.append(entry(path, layer))
                seen[layer] = path
            paths.append(path)
        name = f"{image.id.partition(':')[2]}.json"
        members.append(entry(name, image.configuration))
        manifest.append({"Config": name, "RepoTags": tags, "Layers": paths})
    return tar(*members, entry("manifest.json", json.dumps(manifest).encode()))


def docker_with_layout(image: Image, tags: list[str]) -> bytes:
    """What `docker save` writes since version 25: an OCI layout and a manifest.json."""
    paths = [f"blobs/sha256/{digest(data).partition(':')[2]}" for data in image.blobs()]
    config = f"blobs/sha256/{image.id.partition(':')[2]}"
    manifest = [{"Config": config, "RepoTags": tags, "Layers": paths}]
    return oci(image, more=(entry("manifest.json", json.dumps(manifest).encode()),))


def busybox_layer(*applets: str) -> bytes:
    """A root with this machine's busybox, the libraries it needs, and links for its applets."""
    members = [entry(f"{name}/") for name in ("bin", "etc", "tmp", "lib64")]
    needed = subprocess.run(["ldd", "/bin/busybox"], capture_output=True, text=True, check=False).stdout
    files = {"/bin/busybox", *(word for word in needed.split() if word.startswith("/"))}
    members += [entry(path.lstrip("/"), Path(path).read_bytes(), mode=0o755) for path in sorted(files)]
    members += [link(f"bin/{name}", "busybox") for name in applets]
    return tar(*members)


def changed(raw: bytes, name: str, content: bytes) -> bytes:
    """The same archive with another content under a name."""
    with tarfile.open(fileobj=io.BytesIO(raw)) as old:
        members = []
        for member in old:
            file = old.extractfile(member)
            members.append((member, file.read() if file else b""))
    return tar(*(entry(m.name, content) if m.name == name else (m, data) for m, data in members))
