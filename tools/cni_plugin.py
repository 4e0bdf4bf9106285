"""Compile the CNI plugin (src/podwire-cni) by this machine's `cc`: `python -m tools.cni_plugin TARGET`.

Without a compiler TARGET does not exist afterwards: podwire installs its Python plugin then. An image has one by a
pinned compiler (tools/image/plugin.py).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "podwire-cni"
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-Os", "-Wall", "-Wextra", "-s")


class CompileError(Exception):
    """The compiler's words."""


def compile_plugin(target: Path, compiler: Sequence[str]) -> None:
    """Write the program at target, whole or not at all. Raises CompileError, OSError."""
    making = target.with_name(f".{target.name}.new")
    sources = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.glob("*.c"))
    done = subprocess.run(
        [*compiler, *FLAGS, *sources, "-o", str(making)], cwd=SOURCE, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        making.unlink(missing_ok=True)
        raise CompileError(f"{compiler[0]} does not compile {SOURCE}: {done.stderr}")
    making.replace(target)


def main(target: Path) -> int:
    """Compile, or remove what an earlier compiler made."""
    compiler = shutil.which("cc")
    try:
        if compiler is not None:
            compile_plugin(target.absolute(), (compiler,))
            return 0
        reason = "this machine has no C compiler (cc)"
    except (CompileError, OSError) as error:
        reason = str(error)
    target.unlink(missing_ok=True)
    print(f"the CNI plugin is the Python one, which starts slower: {reason}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
