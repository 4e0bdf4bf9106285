"""End worlds, and clear away what a killed one left on the host: its folder and its kubeconfig entry."""

from __future__ import annotations

import contextlib

from podwire.lab import kubeconfig, worlds


def stop(world: worlds.World) -> str:
    """Kill the world and forget it, but not one that took its name over meanwhile.

    Answers the context that is kubectl's current one in its place: that of the only world that is left; empty where
    nothing changed, or several are.
    """
    worlds.end(world)
    with worlds.exclusive():
        if world not in worlds.known() or not _forget(world.name):
            return ""
        left = [other for other in worlds.known() if other.alive]
    if len(left) != 1:
        return ""
    with contextlib.suppress(kubeconfig.KubeconfigError):
        return left[0].context if kubeconfig.choose(kubeconfig.user_file(), left[0].context) else ""
    return ""


def prune() -> list[str]:
    """Forget worlds that died; answers their names."""
    with worlds.exclusive():
        names = worlds.stale()
        for name in names:
            _forget(name)
    return names


def _forget(name: str) -> bool:
    """Whether kubectl's current context went with it."""
    was_current = False
    with contextlib.suppress(kubeconfig.KubeconfigError):
        was_current = kubeconfig.remove(kubeconfig.user_file(), worlds.context_name(name))
    worlds.forget(name)
    return was_current
