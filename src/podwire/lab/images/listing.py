"""What `podwire image` shows. Pure but for reading the store."""

from __future__ import annotations

import msgspec

from podwire.lab.base.text_columns import table
from podwire.lab.images import reference
from podwire.lab.images.loading import Loaded
from podwire.lab.images.removal import Removed
from podwire.lab.images.store import Store

UNITS = ("B", "kB", "MB", "GB")


class Entry(msgspec.Struct, frozen=True):
    """One image for programs: full names, sizes in bytes."""

    id: str
    names: tuple[str, ...]
    digest: str
    architecture: str
    format: str
    size: int
    layers: int
    loaded: str
    left_out: dict[str, int]


def entries(store: Store) -> list[Entry]:
    """All images with their names."""
    names = store.names()
    return [
        Entry(
            id=image.id,
            names=tuple(name for name, image_id in names.items() if image_id == image.id),
            digest=image.digest,
            architecture=image.architecture,
            format=image.format,
            size=image.size,
            layers=image.layers,
            loaded=image.loaded,
            left_out=image.left_out,
        )
        for image in store.images()
    ]


def text(images: list[Entry]) -> str:
    """Return a line for each name that was given; an image without one is shown too."""
    rows = sorted(
        (name, image.id.partition(":")[2][:12], image.architecture, image.format, size(image.size), image.loaded)
        for image in images
        for name in _given(image.names) or ["<none>"]
    )
    if not rows:
        return "No images; load one with 'podwire image load FILE'."
    return "\n".join(table([("NAME", "ID", "ARCH", "FORMAT", "SIZE", "LOADED"), *rows]))


def _given(names: tuple[str, ...]) -> list[str]:
    return [reference.parse(name).familiar for name in names if "@" not in name]


def size(number: int) -> str:
    """Bytes as Docker writes them: three digits, powers of 1000."""
    value = float(number)
    for unit in UNITS:
        if value < 999.5 or unit == UNITS[-1]:
            break
        value /= 1000
    return f"{value:.3g}{unit}"


def loaded_text(one: Loaded) -> str:
    """What was loaded, under which names, and what was left out."""
    image = one.image
    names = ", ".join(_given(one.names))
    lines = [f"Loaded {names} ({image.short_id}, {size(image.size)}, {image.architecture})"]
    lines += [f"  {count} {reason}" for reason, count in sorted(image.left_out.items())]
    return "\n".join(lines)


def removed_text(gone: Removed) -> str:
    """What was removed."""
    lines = [f"Untagged {name}" for name in _given(gone.names)]
    if gone.image_id:
        lines.append(f"Removed {gone.image_id}")
    if gone.containers:
        lines.append(f"  containers that run from the image: {gone.containers}; they run on, as it has other names")
    return "\n".join(lines)
