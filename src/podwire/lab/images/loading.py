"""`podwire image load`: from an archive to images in the store. Runs as root of a world's ids (`userns_exec.py`)."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import platform
import shutil
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from podwire.lab.images import archive as archives
from podwire.lab.images import layer as layers
from podwire.lab.images import manifest, reference
from podwire.lab.images.archive import Archive, ArchivedImage, Layer, Readable, Verified
from podwire.lab.images.beneath import Beneath
from podwire.lab.images.errors import ImageError
from podwire.lab.images.layer import Unpacking
from podwire.lab.images.manifest import RunConfig
from podwire.lab.images.store import ROOT, Store, StoredImage

LARGEST_ACCOUNTS = 1024 * 1024
"""Bytes of an image's /etc/passwd or /etc/group that are read."""

GZIP = b"\x1f\x8b"
REFUSED = {b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
"""Compressions that podwire does not read, by their first bytes."""


class Loaded(msgspec.Struct, frozen=True):
    """What came of one image of an archive."""

    names: tuple[str, ...]
    image: StoredImage


def load(store: Store, source: io.BufferedReader, name: str, tags: tuple[str, ...]) -> list[Loaded]:
    """Load all images of an archive. `name` is the archive's for people; `tags` name its only image.

    Raises ImageError; then nothing of the image that failed is in the store.
    """
    desired = tuple(str(reference.parse(tag)) for tag in tags)
    try:
        with store.workplace() as place, _plain(source, name, place) as file:
            archive = Archive(file, name)
            found = archives.images(archive, manifest.architecture(platform.machine()))
            named = [(image, _names(image, desired, len(found), name)) for image in found]
            return [_take(store, archive, image, names, place) for image, names in named]
    except MemoryError:
        raise ImageError(f"{name}: a header in it needs more memory than there is") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ImageError(f"{name}: its compression is broken: {error}; was it cut off?") from None
    except (OSError, tarfile.TarError) as error:
        raise ImageError(f"{name}: {error}") from None


@contextlib.contextmanager
def _plain(source: io.BufferedReader, name: str, place: Path) -> Iterator[IO[bytes]]:
    """The archive as a file in which one can go back: unpacked where it is compressed, copied where it is a pipe."""
    start = source.peek(8)
    _refuse_compression(start, name)
    compressed = start.startswith(GZIP)
    if source.seekable() and not compressed:
        yield source
        return
    unpacked: Readable = gzip.GzipFile(fileobj=source) if compressed else source
    with open(place / "archive.tar", "w+b") as copy:
        while data := unpacked.read(archives.CHUNK):
            _reserve(place, len(data), name)
            copy.write(data)
        copy.seek(0)
        yield copy


def _reserve(place: Path, size: int, name: str) -> None:
    disk = os.statvfs(place)
    if disk.f_bavail * disk.f_frsize < layers.DISK_RESERVE + size:
        raise ImageError(f"{name}: does not fit: the disk of {place} would be full")


def _refuse_compression(start: bytes, what: str) -> None:
    for magic, compression in REFUSED.items():
        if start.startswith(magic):
            raise ImageError(
                f"{what}: is compressed with {compression}, which podwire does not read; save it with gzip"
                " ('skopeo copy --dest-compress-format gzip', 'docker buildx build -o type=oci,compression=gzip,...')"
            )


def _names(image: ArchivedImage, desired: tuple[str, ...], images: int, name: str) -> tuple[str, ...]:
    """The full names that an image shall have. Raises ImageError where there is none."""
    if desired and images > 1:
        raise ImageError(f"--tag: {name} has {images} images, and one name leads to one image")
    names = tuple(map(str, image.names)) or desired
    if not names:
        raise ImageError(f"{name}: has no name for its image {image.image_id}: name it with --tag, as --tag web:v1")
    chosen = desired or names
    repositories = [reference.parse(one) for one in chosen] if image.digest else []
    return tuple(dict.fromkeys((*chosen, *(str(one.with_digest(image.digest)) for one in repositories))))


def _take(store: Store, archive: Archive, image: ArchivedImage, names: tuple[str, ...], place: Path) -> Loaded:
    """Unpack an image that is not here yet, else read it to its end, and name it."""
    here = store.image(image.image_id)
    if here is None:
        root = place / ROOT
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(mode=0o755)
        stored = _unpack(archive, image, root)
    else:
        _read_layers(archive, image, lambda _: None)
        stored = here if here.digest else msgspec.structs.replace(here, digest=image.digest)
    with store.changing():
        if here is None:
            store.add(place / ROOT, stored)
        elif store.image(image.image_id) is None:
            raise ImageError(f"{archive.name}: image {stored.short_id} was removed meanwhile: load it again")
        elif stored != here:
            store.describe(stored)
        store.name(stored, list(names))
    return Loaded(names, stored)


def _unpack(archive: Archive, image: ArchivedImage, root: Path) -> StoredImage:
    unpacking = Unpacking(root)
    _read_layers(archive, image, lambda source: layers.apply(source, unpacking))
    beneath = Beneath(root)
    return StoredImage(
        id=image.image_id,
        architecture=image.configuration.architecture,
        format=image.format,
        size=unpacking.size,
        layers=len(image.layers),
        loaded=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        digest=image.digest,
        config=image.configuration.config or RunConfig(),
        passwd=beneath.read("etc/passwd", LARGEST_ACCOUNTS).decode("utf-8", "replace"),
        group=beneath.read("etc/group", LARGEST_ACCOUNTS).decode("utf-8", "replace"),
        left_out=dict(unpacking.left_out),
    )


def _read_layers(archive: Archive, image: ArchivedImage, take: Callable[[Readable], None]) -> None:
    """All layers from the lowest on; `take` gets the tar of each. Raises ImageError, which names the layer."""
    for number, one in enumerate(image.layers, start=1):
        what = f"{archive.name}: layer {number} of {len(image.layers)} ({one.digest or one.diff_id})"
        try:
            _read_layer(archive, one, take, what)
        except ImageError as error:
            raise error if str(error).startswith(archive.name) else ImageError(f"{what}: {error}") from None


def _read_layer(archive: Archive, one: Layer, take: Callable[[Readable], None], what: str) -> None:
    """One layer, held against the digest of its bytes and that of the tar in them."""
    start = archive.open(one.member).read(8)
    _refuse_compression(start, what)
    source: Readable = archive.open(one.member)
    outer = Verified(source, one.digest, what) if one.digest else None
    source = outer or source
    if start.startswith(GZIP):
        source = gzip.GzipFile(fileobj=source)  # type: ignore[call-overload]
    inner = Verified(source, one.diff_id, what, most=2 * layers.MOST_BYTES)
    take(inner)
    inner.finish()
    if outer is not None:
        outer.finish()
