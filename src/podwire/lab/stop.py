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
        forgotten = world in worlds.known() and _forget(world.name)
    return _successor() if forgotten else ""


def prune() -> list[str]:
    """Forget worlds that died; answers their names. Where one is left, its context becomes current in their place."""
    with worlds.exclusive():
        names = worlds.stale()
        forgotten = [_forget(name) for name in names]
    if any(forgotten):
        _successor()
    return names


def _successor() -> str:
    """Make the context of the only world that runs current where none is; answers it, empty where nothing changed."""
    left = worlds.living()
    if len(left) != 1:
        return ""
    with contextlib.suppress(kubeconfig.KubeconfigError):
        return left[0].context if kubeconfig.choose(kubeconfig.user_file(), left[0].context) else ""
    return ""


def _forget(name: str) -> bool:
    """Whether kubectl's current context went with it."""
    was_current = False
    with contextlib.suppress(kubeconfig.KubeconfigError):
        was_current = kubeconfig.remove(kubeconfig.user_file(), worlds.context_name(name))
    worlds.forget(name)
    return was_current
