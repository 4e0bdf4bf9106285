"""The image's CNI plugin: static, by a pinned compiler, for each architecture, the same bytes on every machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tools.cni_plugin import FLAGS, SOURCE, CompileError, compile_plugin
from tools.image.lock import COMPILER, RENEWAL, ImageError


def plugin(folder: Path, machine: str) -> bytes:
    """The program for a machine (x86_64, aarch64); kept in the folder for as long as source and compiler stay."""
    target = folder / f"podwire-cni-{machine}-{_inputs()[:16]}"
    if not target.exists():
        compiler = _compiler(folder)
        os.environ["ZIG_GLOBAL_CACHE_DIR"] = os.environ["ZIG_LOCAL_CACHE_DIR"] = str(folder / "compiler-cache")
        try:
            compile_plugin(target, (str(compiler), "cc", "-target", f"{machine}-linux-musl", "-static"))
        except CompileError as error:
            raise ImageError(str(error)) from None
    return target.read_bytes()


def _inputs() -> str:
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for path in (COMPILER, *sorted(SOURCE.iterdir())):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _compiler(folder: Path) -> Path:
    """Zig's C compiler, which brings musl libc for every machine."""
    target = folder / "compiler"
    program = target / "ziglang" / "zig"
    command = [
        str(Path(sys.prefix) / "bin" / "uv"), "pip", "install", "-q", "--target", str(target), "--require-hashes",
        "--no-deps", "-r", str(COMPILER),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImageError(
            f"the compiler that {COMPILER.name} pins cannot be had; write it again by '{RENEWAL}': {done.stderr}"
        )
    return program
