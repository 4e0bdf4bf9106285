"""What Python compiles, made at build time: a container need not, and may not, write beside its modules.

Each file's digest is in place of its time and is not compared at import (PEP 552, unchecked hash). Other people's
modules are in the image in this form alone, which is half as large; podwire's own lines show in tracebacks.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.image.contents import PYTHON, PYTHON_VERSION
from tools.image.lock import ImageError
from tools.image.tree import File, Link, Tree


class Compiler:
    """The image's own Python where this machine can run it, else this Python."""

    def __init__(self, debian: Tree, machine: str) -> None:
        self._debian = debian
        self._runs_here = machine == platform.machine()
        if not self._runs_here and sys.version_info[:2] != PYTHON_VERSION:
            wanted = ".".join(map(str, PYTHON_VERSION))
            raise ImageError(f"for {machine} the build needs Python {wanted} on this machine; this is {sys.version}")

    def compile(self, tree: Tree, *, keep_source: bool) -> None:
        """Compile each module of a tree: in `__pycache__` beside its source, or in its place."""
        with tempfile.TemporaryDirectory(prefix="podwire-image-") as name:
            folder = Path(name)
            modules = folder / "modules"
            _lay(tree, modules, ".py")
            self._run(folder / "python", modules, *(() if keep_source else ("-b",)))
            for path in sorted(modules.rglob("*.pyc")):
                tree[str(path.relative_to(modules))] = File(path.read_bytes())
            if not keep_source:
                for path in sorted(modules.rglob("*.py")):
                    del tree[str(path.relative_to(modules))]

    def _run(self, folder: Path, modules: Path, *options: str) -> None:
        python, home = [sys.executable], {}
        if self._runs_here:
            python, home = _own_python(folder, self._debian), {"PYTHONHOME": str(folder / "usr")}
        command = [
            *python, "-S", "-s", "-m", "compileall", "-q", "-j1", "--invalidation-mode", "unchecked-hash", *options,
            "-s", str(modules), "-p", "/", str(modules),
        ]  # fmt: skip
        environment = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", **home}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ImageError(f"modules cannot be compiled: {done.stdout}{done.stderr}")


def _own_python(folder: Path, debian: Tree) -> list[str]:
    """The image's Python, started through the image's own loader: this machine may have another libc."""
    _lay(debian, folder, "")
    (loader,) = (folder / "usr/lib").glob("*-linux-gnu/ld-linux-*.so.[12]")
    return [str(loader), "--library-path", str(loader.parent), str(folder / PYTHON)]


def _lay(tree: Tree, folder: Path, suffix: str) -> None:
    """Write the files whose names end so, and links within the tree."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, entry in tree:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(entry, File) and path.endswith(suffix):
            target.write_bytes(entry.content)
            target.chmod(0o755 if entry.is_executable else 0o644)
        elif isinstance(entry, Link) and not entry.target.startswith("/") and path.count("/") > 1:
            target.symlink_to(entry.target)
