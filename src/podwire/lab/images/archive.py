"""Image archives: which images are in one, by what names, and their blobs, each held against its digest.

Two layouts, distinguished by their members: OCI (`oci-layout`, `index.json`, `blobs/`), which `docker save` writes too
since version 25, and the older one of `docker save` (`manifest.json`). Sources: OCI image layout specification 1.1,
Docker image specification 1.2. The archive must be a plain tar; nothing in it is believed.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Protocol, TypeVar

from podwire.lab.images import manifest, reference
from podwire.lab.images.errors import ImageError
from podwire.lab.images.manifest import Descriptor, DockerManifest, ImageConfiguration, Index, Manifest
from podwire.lab.images.reference import Reference

MOST_MEMBERS = 100_000
LARGEST_DOCUMENT = 16 * 1024 * 1024
"""Bytes; real manifests and configurations have a few thousand."""
DEEPEST_INDEX = 4
DEEPEST_LINK = 8
CHUNK = 1024 * 1024

LayerT = TypeVar("LayerT")

_DIGEST = re.compile(r"(sha256):([0-9a-f]{64})")


class Readable(Protocol):
    """What bytes come from."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; empty at the end."""


class Verified:
    """Bytes on their way through, hashed. `finish` reads the rest and compares; `what` names the source for people."""

    def __init__(self, source: Readable, digest: str, what: str, most: int = -1) -> None:
        self._source = source
        self._expected = _digest(digest, what)[1]
        self._hash = hashlib.sha256()
        self._what = what
        self._left = most

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes. Raises ImageError where there are more than `most`."""
        data = self._source.read(size)
        self._hash.update(data)
        if self._left >= 0:
            self._left -= len(data)
            if self._left < 0:
                raise ImageError(f"{self._what}: is larger than podwire takes")
        return data

    def finish(self) -> None:
        """Raises ImageError where the content does not match its digest."""
        while self.read(CHUNK):
            pass
        found = self._hash.hexdigest()
        if found != self._expected:
            raise ImageError(
                f"{self._what}: its content has digest sha256:{found}: the archive is damaged or was changed"
            )


@dataclass(frozen=True, slots=True)
class Layer:
    """A member of the archive, the digest of its bytes (empty if unknown), and that of the tar inside."""

    member: str
    digest: str
    diff_id: str


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """One image of an archive. `image_id` is the digest of its configuration, `digest` that of its manifest."""

    names: tuple[Reference, ...]
    image_id: str
    digest: str
    format: str
    configuration: ImageConfiguration
    layers: tuple[Layer, ...]


class Archive:
    """The members of an archive. Raises ImageError where the file is no tar."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        try:
            self._tar = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - the file is its owner's to close
            self._members = dict(self._scan())
        except (tarfile.TarError, OSError, ValueError) as error:
            raise ImageError(f"{name}: is no image archive that can be read to its end: {error}") from None

    def _scan(self) -> Iterator[tuple[str, tarfile.TarInfo]]:
        for count, member in enumerate(self._tar):
            if count >= MOST_MEMBERS:
                raise ImageError(f"{self.name}: has more than {MOST_MEMBERS} members")
            yield posixpath.normpath(member.name).lstrip("/"), member

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def open(self, name: str) -> Readable:
        """A member's bytes. Raises ImageError where it is missing."""
        for _ in range(DEEPEST_LINK):
            member = self._members.get(name)
            if member is None:
                break
            if member.issym():  # `docker save` stored a layer that two images share once
                name = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
            elif member.islnk():
                name = posixpath.normpath(member.linkname).lstrip("/")
            else:
                file = self._tar.extractfile(member) if member.isreg() else None
                if file is None:
                    break
                return file
        raise ImageError(f"{self.name}: {name} is missing; was the archive cut off, or saved for another platform?")

    def document(self, name: str) -> bytes:
        """A small member whole."""
        raw = self.open(name).read(LARGEST_DOCUMENT + 1)
        if len(raw) > LARGEST_DOCUMENT:
            raise ImageError(f"{self.name}: {name} is larger than {LARGEST_DOCUMENT} bytes")
        return raw

    def blob(self, digest: str) -> bytes:
        """A document by its digest."""
        name = blob_member(digest, self.name)
        raw = self.document(name)
        found = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        if found != digest:
            raise ImageError(f"{self.name}: {name} has digest {found}: the archive is damaged or was changed")
        return raw


def blob_member(digest: str, what: str) -> str:
    """Where an OCI layout keeps a blob."""
    return "/".join(("blobs", *_digest(digest, what)))


def _digest(digest: str, what: str) -> tuple[str, str]:
    found = _DIGEST.fullmatch(digest)
    if found is None:
        raise ImageError(f"{what}: {digest!r} is no sha256 digest")
    return found[1], found[2]


def images(archive: Archive, architecture: str) -> list[ArchivedImage]:
    """All images of an archive that are for this architecture. Raises ImageError where one is not, or is broken."""
    if "index.json" in archive:
        found = list(_oci_images(archive, architecture))
        return _with_tags(found, archive) if "manifest.json" in archive else found
    if "manifest.json" in archive:
        return [_docker_image(archive, entry, architecture) for entry in _docker_manifest(archive)]
    raise ImageError(
        f"{archive.name}: has neither index.json nor manifest.json; make it with 'docker save', 'podman save',"
        " 'skopeo copy ... oci-archive:FILE' or 'docker buildx build -o type=oci,dest=FILE'"
    )


# OCI layout


def _oci_images(archive: Archive, architecture: str) -> Iterator[ArchivedImage]:
    index = manifest.read(archive.document("index.json"), Index, f"{archive.name}: index.json")
    entries = [entry for entry in index.manifests if not entry.is_attestation]
    groups: dict[tuple[Reference, ...], list[Descriptor]] = {}
    for entry in entries:
        groups.setdefault(_annotated(entry, archive.name), []).append(entry)
    for names, group in groups.items():
        several = len(group) > 1 and all(entry.platform is not None for entry in group)
        chosen = (
            [manifest.for_platform(Index(tuple(group)), architecture, _title(names, archive))] if several else group
        )
        for entry in chosen:
            yield _oci_image(archive, entry, names, architecture)


def _annotated(entry: Descriptor, what: str) -> tuple[Reference, ...]:
    """The names in a descriptor's annotations. One without registry and tag may be a tag, and is left out."""
    full = entry.annotations.get(manifest.CONTAINERD_NAME, "")
    own = entry.annotations.get(manifest.REF_NAME, "")
    text = full or (own if set(own) & set("/:@") else "")
    try:
        return (reference.parse(text),) if text else ()
    except ImageError as error:
        raise ImageError(f"{what}: {error}") from None


def _oci_image(archive: Archive, entry: Descriptor, names: tuple[Reference, ...], architecture: str) -> ArchivedImage:
    what = _title(names, archive)
    for _ in range(DEEPEST_INDEX):
        raw = archive.blob(entry.digest)
        index = manifest.read(raw, Index, f"{what}: {entry.digest}")
        if not index.manifests and entry.media_type not in manifest.INDEX_TYPES:
            return _of_manifest(archive, raw, entry.digest, names, architecture)
        entry = manifest.for_platform(index, architecture, what)
    raise ImageError(f"{what}: its indexes are nested too deeply")


def _of_manifest(
    archive: Archive, raw: bytes, digest: str, names: tuple[Reference, ...], architecture: str
) -> ArchivedImage:
    what = _title(names, archive)
    found = manifest.read(raw, Manifest, f"{what}: manifest {digest}")
    configuration = _configuration(archive.blob(found.config.digest), what, architecture)
    layers = tuple(
        Layer(blob_member(layer.digest, what), layer.digest, diff_id)
        for layer, diff_id in _paired(found.layers, configuration, what)
    )
    return ArchivedImage(names, found.config.digest, digest, "oci", configuration, layers)


def _with_tags(found: list[ArchivedImage], archive: Archive) -> list[ArchivedImage]:
    """Docker writes all tags of an image into manifest.json."""
    tags: dict[str, tuple[Reference, ...]] = {}
    for entry in _docker_manifest(archive):
        tags[posixpath.basename(entry.config).removesuffix(".json")] = _tags(entry, archive.name)
    return [
        replace(image, names=tuple(dict.fromkeys((*image.names, *tags.get(image.image_id.partition(":")[2], ())))))
        for image in found
    ]


# The older layout of `docker save`


def _docker_manifest(archive: Archive) -> list[DockerManifest]:
    return manifest.read(archive.document("manifest.json"), list[DockerManifest], f"{archive.name}: manifest.json")


def _tags(entry: DockerManifest, what: str) -> tuple[Reference, ...]:
    try:
        return tuple(reference.parse(tag) for tag in entry.repo_tags or ())
    except ImageError as error:
        raise ImageError(f"{what}: {error}") from None


def _docker_image(archive: Archive, entry: DockerManifest, architecture: str) -> ArchivedImage:
    names = _tags(entry, archive.name)
    what = _title(names, archive)
    raw = archive.document(posixpath.normpath(entry.config))
    image_id = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    claimed = posixpath.basename(entry.config).removesuffix(".json")
    if re.fullmatch(r"[0-9a-f]{64}", claimed) and image_id != f"sha256:{claimed}":
        raise ImageError(f"{what}: {entry.config} has digest {image_id}: the archive is damaged or was changed")
    configuration = _configuration(raw, what, architecture)
    layers = tuple(
        Layer(posixpath.normpath(member), "", diff_id) for member, diff_id in _paired(entry.layers, configuration, what)
    )
    return ArchivedImage(names, image_id, "", "docker", configuration, layers)


# Both


def _title(names: tuple[Reference, ...], archive: Archive) -> str:
    return f"{archive.name}: image {names[0].familiar}" if names else archive.name


def _configuration(raw: bytes, what: str, architecture: str) -> ImageConfiguration:
    found = manifest.read(raw, ImageConfiguration, f"{what}: configuration")
    manifest.check_platform(found, architecture, what)
    return found


def _paired(layers: Sequence[LayerT], configuration: ImageConfiguration, what: str) -> Iterator[tuple[LayerT, str]]:
    """Each layer with the digest of its content."""
    expected = configuration.rootfs.diff_ids
    if len(layers) != len(expected):
        raise ImageError(f"{what}: has {len(layers)} layers, and its configuration speaks of {len(expected)}")
    return zip(layers, expected, strict=True)
