"""The CNI plugin in its two forms, and a call of one as a runtime makes it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tools.cni_plugin import compile_plugin

from podwire.pods.runtime.installation import install_script


def python_plugin(target: Path) -> None:
    install_script(target, os.path.realpath(sys.executable))


def compiled_by_cc(target: Path, *flags: str) -> None:
    """The compiled plugin, from its source as it is now."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("this machine has no C compiler")
    target.parent.mkdir(parents=True, exist_ok=True)
    compile_plugin(target, (compiler, "-Werror", *flags))


def call(program: Path, stdin: str | bytes, **environment: str) -> tuple[int, Any]:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run([program], input=data, env=environment, capture_output=True, check=False)
    assert not done.stderr
    return done.returncode, json.loads(done.stdout) if done.stdout else None
