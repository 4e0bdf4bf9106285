"""What Python compiles, made at build time: a container need not, and may not, write beside its modules.

Each file's digest is in place of its time and is not compared at import (PEP 552, unchecked hash).
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.image.contents import PYTHON, PYTHON_VERSION
from tools.image.lock import ImageError
from tools.image.tree import File, Tree


def add_bytecode(tree: Tree, debian: Tree, machine: str) -> None:
    """Add `__pycache__` for each module of a tree, by the image's own Python where this machine can run it."""
    with tempfile.TemporaryDirectory(prefix="podwire-image-") as name:
        folder = Path(name)
        python = _own_python(folder / "python", debian) if machine == platform.machine() else _this_python()
        modules = folder / "modules"
        _lay(tree, modules, ".py")
        command = [
            *python, "-S", "-s", "-m", "compileall", "-q", "-j1", "--invalidation-mode", "unchecked-hash",
            "-s", str(modules), "-p", "/", str(modules),
        ]  # fmt: skip
        environment = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
        if machine == platform.machine():
            environment["PYTHONHOME"] = str(folder / "python" / "usr")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ImageError(f"modules cannot be compiled: {done.stdout}{done.stderr}")
        for path in sorted(modules.rglob("*.pyc")):
            tree[str(path.relative_to(modules))] = File(path.read_bytes())


def _this_python() -> list[str]:
    if sys.version_info[:2] != PYTHON_VERSION:
        wanted = ".".join(map(str, PYTHON_VERSION))
        raise ImageError(f"for another kind of machine the build needs Python {wanted}; this is {sys.version}")
    return [sys.executable]


def _own_python(folder: Path, debian: Tree) -> list[str]:
    """The image's Python, started through the image's own loader: this machine may have another libc."""
    _lay(debian, folder, "")
    (loader,) = (folder / "usr").glob("lib*/**/ld-linux-*.so.[12]")
    libraries = next((folder / "usr/lib").glob("*-linux-gnu"))
    return [str(loader), "--library-path", str(libraries), str(folder / PYTHON)]


def _lay(tree: Tree, folder: Path, suffix: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path, entry in tree:
        target = folder / path
        if isinstance(entry, File):
            if path.endswith(suffix):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(entry.content)
                target.chmod(0o755 if entry.is_executable else 0o644)
        elif not suffix and hasattr(entry, "target") and not entry.target.startswith("/"):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(entry.target)
