"""A world for one proof, which ends with it, whatever happens."""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
from collections.abc import Callable, Iterator

from podwire.lab.host.start import UpOptions, start
from podwire.lab.host.worlds import World

START_SECONDS = 120.0
USED_LATER = ("podwire.insight.verify.filling", "podwire.insight.verify.proof")
"""Imported while the world imports its own: they take half a second of processor time."""

Progress = Callable[[str], None]


class TrialError(Exception):
    """The manifests cannot be tried: one is refused, or pods do not run. The text names the object and the reason."""


@contextlib.contextmanager
def started(nodes: int, report: Progress) -> Iterator[World]:
    """A world that ends with the block, and with this process, by whatever signal that ends.

    It is in no kubeconfig of the user. Raises LaunchError.
    """
    reader, writer = os.pipe()
    try:
        options = UpOptions(
            f"verify-{secrets.token_hex(4)}", nodes, "direct", 0, START_SECONDS,
            lifeline=reader, allow_external_ips=True, is_private=True,
        )  # fmt: skip
        world = start(options, _import_meanwhile)
        os.close(reader)
        try:
            yield world
        finally:
            from podwire.lab.host.stop import stop

            report("ending the world")
            stop(world)
    finally:
        os.close(writer)


def _import_meanwhile(_: str) -> None:
    for name in USED_LATER:
        importlib.import_module(name)
