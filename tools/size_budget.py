"""Hold the size budget: no file past 500 lines, no function past 60, most functions short. Run by `make check`."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

LONGEST_FILE = 500
LONGEST_FUNCTION = 60
FUNCTION_P90 = 30


def functions(tree: ast.AST) -> list[tuple[str, int, int]]:
    """Name, first line and length of every function."""
    return [
        (node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def main() -> int:
    """Print what is over the budget; answer the exit status."""
    listing = subprocess.run(["git", "ls-files", "*.py"], capture_output=True, text=True, check=True).stdout
    over: list[str] = []
    lengths: list[int] = []
    for name in listing.split():
        text = Path(name).read_text()
        if text.count("\n") > LONGEST_FILE:
            over.append(f"{name}: {text.count(chr(10))} lines: is it two nouns?")
        for function, line, length in functions(ast.parse(text)):
            lengths.append(length)
            if length > LONGEST_FUNCTION:
                over.append(f"{name}:{line} {function}: {length} lines")
    p90 = statistics.quantiles(lengths, n=10)[-1]
    if p90 > FUNCTION_P90:
        over.append(f"nine of ten functions have up to {p90:.0f} lines, more than {FUNCTION_P90}")
    print("\n".join(over) or f"{len(lengths)} functions, median {statistics.median(lengths):.0f}, p90 {p90:.0f} lines")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
