"""End worlds, and clear away what a killed one left on the host: its folder and its kubeconfig entry."""

from __future__ import annotations

import contextlib

from podwire.lab.host import kubeconfig, worlds


def stop(world: worlds.World) -> str:
    """Kill the world and remove its entries, but not those of one that took its name over meanwhile.

    Answers the context that is kubectl's current one in its place, empty where nothing changed.
    """
    worlds.end(world)
    with worlds.exclusive():
        removed = world in worlds.known() and _remove(world.name)
    return _successor() if removed else ""


def prune() -> tuple[list[str], str]:
    """Remove the entries of worlds that ended by themselves; return their names, and kubectl's new current context."""
    with worlds.exclusive():
        names = worlds.stale()
        removed = [_remove(name) for name in names]
    return names, _successor() if any(removed) else ""


def _successor() -> str:
    """Where no context is current any more, make that of the world that started last current, as its `up` did.

    Answers it, empty where nothing changed.
    """
    with contextlib.suppress(kubeconfig.KubeconfigError):
        for world in sorted(worlds.living(), key=lambda world: world.started, reverse=True):
            if kubeconfig.choose(kubeconfig.user_file(), world.context):
                return world.context
    return ""


def _remove(name: str) -> bool:
    """Whether kubectl's current context went with it."""
    was_current = False
    with contextlib.suppress(kubeconfig.KubeconfigError):
        was_current = kubeconfig.remove(kubeconfig.user_file(), worlds.context_name(name))
    worlds.remove(name)
    return was_current
