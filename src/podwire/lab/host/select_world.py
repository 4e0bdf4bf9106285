"""Which world a command means."""

from __future__ import annotations

import contextlib
import threading
import time

from podwire.lab.host import worlds
from podwire.lab.host.worlds import DEFAULT_NAME, World, WorldError

READY_SECONDS = 60.0
READY_PAUSE_SECONDS = 0.05


def choose(name: str | None) -> World:
    """The living world of this name; without a name the only one, that of kubectl's current context, or `default`.

    Raises WorldError with the names there are.
    """
    if name is not None:
        return worlds.find(name)
    living = worlds.living()
    return _only(living) or _current(living) or _default(living)


def choose_to_end(name: str | None) -> World:
    """As `choose`, but kubectl's current context does not count: it is easily overlooked before a world is ended."""
    if name is not None:
        return worlds.find(name)
    living = worlds.living()
    return _only(living) or _default(living)


def choose_ready(name: str | None) -> World:
    """As `choose`, but of a world whose `up` is still at work it returns when that is done; raises WorldError."""
    world = choose(name)
    deadline = time.monotonic() + READY_SECONDS
    while worlds.starting(world.name):
        if time.monotonic() > deadline:
            raise WorldError(f"world '{world.name}' is still starting after {READY_SECONDS:g} s; see 'podwire logs'")
        threading.Event().wait(READY_PAUSE_SECONDS)
    if not world.alive:
        raise WorldError(f"world '{world.name}' did not start; its 'podwire up' shows why")
    return world


def _only(living: list[World]) -> World | None:
    if not living:
        raise WorldError("no world is running; start one with 'podwire up'")
    return living[0] if len(living) == 1 else None


def _current(living: list[World]) -> World | None:
    """The world of kubectl's current context; None where that is no running world's, or cannot be read."""
    from podwire.lab.host import kubeconfig  # late: it needs yaml, and most often one world runs

    with contextlib.suppress(kubeconfig.KubeconfigError):
        context = kubeconfig.current()
        return next((world for world in living if world.context == context), None)
    return None


def _default(living: list[World]) -> World:
    for world in living:
        if world.name == DEFAULT_NAME:
            return world
    raise WorldError(f"several worlds run: {', '.join(world.name for world in living)}; choose one with --name")
