"""Programs of this folder that run in the network of a host, node or pod of a world."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.world.harness import PODWIRE, World

ROOT = Path(__file__).parents[3]
START = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def words(program: str, *arguments: str) -> list[str]:
    """Return the command line of a program of this folder, such as `call_program`."""
    return [sys.executable, "-c", START, str(ROOT), f"tests.edge.world.{program}", *arguments]


@contextlib.contextmanager
def running(world: World, place: str, program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the end of the block; it ends with its standard input."""
    process = subprocess.Popen(
        [PODWIRE, "exec", "--name", world.name, place, "--", *words(program, *arguments)],
        env=world.home.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
