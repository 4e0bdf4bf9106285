"""Events about a pod's containers. Pure: records before and after in, events out.

Reasons are the kubelet's (`pkg/kubelet/events/event.go`); StandIn is podwire's own.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.lab.shim.lifecycle import CRASH_LOOP, CREATE_ERROR, START_ERROR, Record, Running, Terminated, Waiting

IMAGE_REASONS = ("ErrImageNeverPull", "InvalidImageName")
MACHINE = "podwire://machine/"
"""What the ids of images begin with that stand for programs of this machine."""


class PodEvent(msgspec.Struct, frozen=True):
    """One event about a pod."""

    reason: str
    message: str
    warning: bool = False


def between(before: Record | None, after: Record) -> Iterator[PodEvent]:
    """Return the events of a container's step from one record to the next."""
    name = after.name
    failed = after.state if isinstance(after.state, Terminated) else after.last
    if failed is not None and failed.reason == START_ERROR and (before is None or before.starts < after.starts):
        yield PodEvent("Created", f"Created container: {name}")
        yield PodEvent("Failed", f"Error: {failed.message}", warning=True)
    if isinstance(after.state, Running) and (before is None or before.starts < after.starts):
        yield PodEvent("Created", f"Created container: {name}")
        yield PodEvent("Started", f"Started container {name}")
    if not isinstance(after.state, Waiting) or (before is not None and before.state == after.state):
        return
    if after.state.reason == CRASH_LOOP:
        yield PodEvent("BackOff", f"Back-off restarting failed container {name}", warning=True)
    elif after.state.reason == CREATE_ERROR:
        yield PodEvent("Failed", f"Error: container {name}: {after.state.message}", warning=True)


def untried(name: str, trouble: Waiting) -> PodEvent:
    """Return the event about a container that cannot be tried; reasons about the image are the event's own."""
    if trouble.reason in IMAGE_REASONS:
        return PodEvent(trouble.reason, trouble.message, warning=True)
    return PodEvent("Failed", f"Error: container {name}: {trouble.message}", warning=True)


def moved(name: str, image: str, runs: str, found: str) -> PodEvent:
    """Return the event about an image's name that was removed, or moved to another image, while a container runs."""
    later = f"at its next start it would be {found}" if found else "it cannot start again"
    return PodEvent(
        "ImageMoved",
        f"container {name}: {image!r} does not name any more what it runs from, {runs}; it runs on, and {later}",
        warning=True,
    )


def pulled(name: str, image: str, image_id: str, stand_in: str) -> PodEvent:
    """Return the event about how the image was found; a stand-in is always reported."""
    if stand_in:
        return PodEvent(
            "StandIn", f"container {name}: image {image!r} is not on this machine; {stand_in}", warning=True
        )
    if image_id.startswith(MACHINE):
        return PodEvent(
            "Pulled", f'Container image "{image}" is not pulled: container {name} runs this machine\'s programs'
        )
    return PodEvent("Pulled", f'Container image "{image}" already present on machine')
