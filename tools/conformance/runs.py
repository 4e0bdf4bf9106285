"""A run of selected tests against a cluster: builds the suite, shows each test as it ends."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from pathlib import Path

from tools.conformance import cache, programs, suite, world
from tools.conformance.results import Line, first_line


def run(client: world.Client, nodes: int, limits: suite.Limits, selected: list[str], folder: Path) -> list[Line]:
    """Run these tests against a cluster of so many nodes; what ended before Ctrl-C is returned too.

    Raises programs.MissingGoError, CalledProcessError.
    """
    ginkgo, tests = programs.build(programs.GINKGO), programs.build(programs.SUITE)
    against = suite.Suite(ginkgo, tests, world.PROGRAMS / "kubectl", client, nodes)
    return suite.run(against, limits, selected, folder, progress(len(selected)))


def progress(total: int) -> Callable[[int, Line], None]:
    """Return what prints each test as it ends."""
    began = time.monotonic()

    def show(count: int, line: Line) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        say(f"{minutes:3d}:{seconds:02d} {count:4d}/{total} {line.state:8} {line.seconds:5.0f} s  {line.name}")
        if line.state not in ("passed", "skipped"):
            say(f"       {first_line(line.message)} ({line.log})")

    return show


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, flush=True)


def new_folder(name: str) -> Path:
    """A new folder for the logs of a run."""
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = cache.root() / f"runs-{name}" / now
    folder.mkdir(parents=True)
    return folder
