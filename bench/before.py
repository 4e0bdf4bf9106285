"""The same figures of another tree and of this one, in turns: `python -m bench.before FOLDER [--only start,api]`.

The folder is a checkout with an environment of its own (`make .venv/ready-test` in it). A sample is a process of its
tree's Python: fresh namespaces, or a world of its own, for each (`before_probe.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

PROBE = Path(__file__).with_name("before_probe.py").read_text()
HERE = Path(__file__).parent.parent
ROUNDS = {"start": 5, "memory": 2, "api": 3, "restart": 2, "packet": 3, "zygote": 1}


def sample(tree: Path, name: str, size: int) -> dict[str, float]:
    """One sample of a tree. Raises SystemExit with its output where it fails."""
    command = [str(tree / ".venv/bin/python"), "-", name, str(size)]
    done = subprocess.run(
        command, cwd=tree, env=_environment(), input=PROBE, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{tree}: {name}: {done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compile_all(tree: Path) -> None:
    """Keep the bytecode of a tree, as an installed package has it: else each start would compile every module."""
    command = [str(tree / ".venv/bin/python"), "-m", "compileall", "-q", "src", "tests", "bench"]
    subprocess.run(command, cwd=tree, env=_environment(), check=True)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def samples(trees: dict[str, Path], name: str, size: int) -> Iterator[tuple[str, str, float]]:
    """Figure, tree and value; the trees take turns."""
    for _ in range(ROUNDS[name]):
        for tree, folder in trees.items():
            yield from ((figure, tree, value) for figure, value in sample(folder, name, size).items())


def table(found: Iterator[tuple[str, str, float]]) -> Iterator[str]:
    """A line for each figure: the median of each tree, and of packets the minimum, as disturbance only adds."""
    values: dict[str, dict[str, list[float]]] = {}
    for figure, tree, value in found:
        values.setdefault(figure, {}).setdefault(tree, []).append(value)
    for figure, of in values.items():
        middle = min if figure.endswith(", ns") else statistics.median
        yield f"{figure:60} " + "  ".join(f"{tree} {middle(taken):.4g}" for tree, taken in of.items())


def main() -> None:
    """Print the figures of both trees side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="the checkout to compare with")
    parser.add_argument("--only", default=",".join(ROUNDS), help="parts, with commas between")
    parser.add_argument("--size", type=int, default=2_000, help="Services, and pods of the API server")
    options = parser.parse_args()
    trees = {"before": options.before.resolve(), "now": HERE}
    for tree in trees.values():
        compile_all(tree)
    for name in options.only.split(","):
        for line in table(samples(trees, name, options.size)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
