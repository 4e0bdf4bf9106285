"""The state of a world in a few lines, for the report of a test that failed."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

from podwire.testing.kubectl import Kubectl
from podwire.testing.readiness import KINDS, not_ready, title, troubled

MOST_LINES = 10
SYSTEM = "kube-system"
RECENT = timedelta(minutes=1)


def state(kubectl: Kubectl) -> str:
    """What is not ready, and the last events. Never raises: the test's own failure comes first."""
    try:
        objects = kubectl.json(KINDS, "--all-namespaces", "--request-timeout=8s")["items"]
        events = kubectl.json("events", "--all-namespaces", "--request-timeout=8s")["items"]
    except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as error:
        return f"the API server could not be reached: {error}"
    return "\n".join([*troubles(objects), *last_events(events, unready(objects), datetime.now(UTC))])


def troubles(objects: list[dict[str, Any]]) -> list[str]:
    """What is not ready, at most MOST_LINES lines."""
    found = not_ready(objects)
    if not found:
        pods = sum(item["kind"] == "Pod" for item in objects)
        return [f"Everything is ready (pods: {pods})."]
    more = [f"... and {len(found) - MOST_LINES} more"] if len(found) > MOST_LINES else []
    return ["Not ready:", *(f"  {line}" for line in found[:MOST_LINES]), *more]


def unready(objects: list[dict[str, Any]]) -> set[str]:
    """The titles of what is not ready."""
    return {title(item) for item in objects if troubled(item)}


def last_events(events: list[dict[str, Any]], waiting: set[str], now: datetime) -> list[str]:
    """The newest events, oldest of them first, with how often they were seen. `waiting` is what is not ready now."""
    shown = [event for event in events if telling(event, waiting, now)]
    if not shown:
        return ["No events."]
    newest = sorted(shown, key=order)[-MOST_LINES:]
    return ["Last events:", *(f"  {line(event)}" for event in newest)]


def telling(event: dict[str, Any], waiting: set[str], now: datetime) -> bool:
    """Whether an event is of the user's own objects; of the cluster's own, a warning that still matters.

    While a world starts, its DNS pod is not ready for a moment: that is no cause of a failure.
    """
    if event["metadata"]["namespace"] != SYSTEM:
        return True
    recent = now - datetime.fromisoformat(when(event)) < RECENT
    return event["type"] == "Warning" and recent and about(event) in waiting


def order(event: dict[str, Any]) -> tuple[str, int]:
    """Times have seconds only; the later write is the later event."""
    return when(event), int(event["metadata"]["resourceVersion"])


def when(event: dict[str, Any]) -> str:
    """When an event was last seen (RFC 3339, so texts sort as times do)."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])


def about(event: dict[str, Any]) -> str:
    """The title of the object that an event is about."""
    one = event["involvedObject"]
    return title({"kind": one["kind"], "metadata": {"namespace": one.get("namespace", ""), "name": one["name"]}})


def line(event: dict[str, Any]) -> str:
    """Time, type, reason, object and message."""
    times = f" ({event['count']} times)" if event.get("count", 1) > 1 else ""
    return f"{when(event)[11:19]} {event['type']} {event['reason']} {about(event)}: {event['message']}{times}"
