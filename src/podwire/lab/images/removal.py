"""`podwire image rm`: remove a name, and the files of an image with its last one. Runs as root of a world's ids."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from podwire.lab.images import reference
from podwire.lab.images.errors import ImageError
from podwire.lab.images.store import SHORTEST_ID, Store, StoredImage


class Removed(msgspec.Struct, frozen=True):
    """What is gone: names, and the image's id where its files went with them; else how many containers run from it."""

    names: tuple[str, ...]
    image_id: str = ""
    containers: int = 0


def remove(store: Store, desired: str, processes: Path = Path("/proc")) -> Removed:
    """Remove a name, or an image by its id with all its names.

    Raises ImageError, as where a container runs from an image that would go. An image that has other names stays.
    """
    with store.changing():
        names = store.names()
        image, gone = _meant(store, names, desired)
        left = [name for name, image_id in names.items() if image_id == image.id and name not in gone]
        if any("@" not in name for name in left):
            store.unname(gone)
            return Removed(tuple(gone), containers=containers_of(image, processes))
        gone += left  # a digest alone is no name that anybody gave
        _check_unused(image, desired, processes)
        store.unname(gone)
        try:
            _check_unused(image, desired, processes)  # one may have begun while the names still led here
        except ImageError:
            store.name(image, gone)
            raise
        store.discard(store.path / image.folder_name)
        return Removed(tuple(gone), image.id)


def _meant(store: Store, names: dict[str, str], desired: str) -> tuple[StoredImage, list[str]]:
    """The image and which of its names to remove."""
    hexadecimal = desired.removeprefix("sha256:")
    if len(hexadecimal) >= SHORTEST_ID and set(hexadecimal) <= set("0123456789abcdef"):
        found = [image for image in store.images() if image.folder_name.startswith(hexadecimal)]
        if len(found) > 1:
            raise ImageError(f"image {desired}: {len(found)} images have an id that begins so; give more of it")
        if found:
            return found[0], [name for name, image_id in names.items() if image_id == found[0].id]
    full = reference.parse(desired)
    image = store.image(names.get(str(full), ""))
    if image is None:
        raise ImageError(f"image {full.familiar}: is not in the store; 'podwire image ls' shows what is")
    return image, [str(full)]


def _check_unused(image: StoredImage, desired: str, processes: Path) -> None:
    if users := containers_of(image, processes):
        raise ImageError(f"image {desired}: containers that run from it: {users}; delete their pods first")


def containers_of(image: StoredImage, processes: Path) -> int:
    """How many containers have their root from an image: the kernel knows, by the mounts of all worlds' processes."""
    seen = set()
    for path in processes.glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):
            for line in path.read_text().splitlines():
                if " - overlay " in line and image.folder_name in line:
                    seen.add(line.split(" ", 3)[2])  # major:minor, one for each overlay
    return len(seen)
