"""What a node tells people about a pod's containers. Pure: records before and after in, notices out.

Reasons are the kubelet's (`pkg/kubelet/events/event.go`); StandIn is podwire's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from podwire.lab.shim.lifecycle import CRASH_LOOP, CREATE_ERROR, START_ERROR, Record, Running, Terminated, Waiting

IMAGE_REASONS = ("ErrImageNeverPull", "InvalidImageName")
MACHINE = "podwire://machine/"
"""What the ids of images begin with that stand for programs of this machine."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One event about a pod."""

    reason: str
    message: str
    warning: bool = False


def between(before: Record | None, after: Record) -> Iterator[Notice]:
    """What is worth telling about a container's step from one record to the next."""
    name = after.name
    failed = after.state if isinstance(after.state, Terminated) else after.last
    if failed is not None and failed.reason == START_ERROR and (before is None or before.starts < after.starts):
        yield Notice("Created", f"Created container: {name}")
        yield Notice("Failed", f"Error: {failed.message}", warning=True)
    if isinstance(after.state, Running) and (before is None or before.starts < after.starts):
        yield Notice("Created", f"Created container: {name}")
        yield Notice("Started", f"Started container {name}")
    if not isinstance(after.state, Waiting) or (before is not None and before.state == after.state):
        return
    if after.state.reason == CRASH_LOOP:
        yield Notice("BackOff", f"Back-off restarting failed container {name}", warning=True)
    elif after.state.reason == CREATE_ERROR:
        yield Notice("Failed", f"Error: container {name}: {after.state.message}", warning=True)


def untried(name: str, trouble: Waiting) -> Notice:
    """Why a container cannot even be tried: the reason is the event's own where it is about the image."""
    if trouble.reason in IMAGE_REASONS:
        return Notice(trouble.reason, trouble.message, warning=True)
    return Notice("Failed", f"Error: container {name}: {trouble.message}", warning=True)


def moved(name: str, image: str, runs: str, found: str) -> Notice:
    """The image's name was taken away, or given to another image, while a container runs."""
    later = f"at its next start it would be {found}" if found else "it cannot start again"
    return Notice(
        "ImageMoved",
        f"container {name}: {image!r} does not mean any more what it runs from, {runs}; it runs on, and {later}",
        warning=True,
    )


def pulled(name: str, image: str, image_id: str, stand_in: str) -> Notice:
    """How the image was found; what runs in place of an image is always said."""
    if stand_in:
        return Notice("StandIn", f"container {name}: image {image!r} is not on this machine; {stand_in}", warning=True)
    if image_id.startswith(MACHINE):
        return Notice(
            "Pulled", f'Container image "{image}" is not pulled: container {name} runs this machine\'s programs'
        )
    return Notice("Pulled", f'Container image "{image}" already present on machine')
