"""Putting the CNI plugin where a runtime finds it: the executable and its network configuration list."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib import resources
from pathlib import Path

from podwire.pods.runtime.plugin import SOCKET_KEY, SUPPORTED_VERSIONS

PLUGIN_TYPE = "podwire"
"""`type` in a network configuration: the name of the executable."""


def install(target: Path) -> None:
    """Write the plugin as an executable at target; any version of it there is replaced whole.

    The compiled one where this installation has it, as it needs nothing of the node and starts in a hundredth of the
    time; else the Python one, started by this interpreter. Never setuid: it has only the rights of the runtime.
    """
    compiled = compiled_plugin()
    if compiled is not None:
        _write(target, compiled.read_bytes(), 0o755)
    else:
        install_script(target, os.path.realpath(sys.executable))


def compiled_plugin() -> Path | None:
    """Return the program made of src/podwire-cni, which is among the scripts of podwire's Python environment."""
    program = Path(sys.prefix) / "bin" / "podwire-cni"
    return program if os.access(program, os.X_OK) else None


def install_script(target: Path, interpreter: str) -> None:
    """Write the Python plugin at target, started by this interpreter.

    Raises ValueError for an interpreter whose path the kernel cannot take in a `#!` line (execve(2): 255 bytes, no
    spaces).
    """
    line = f"#!{interpreter} -IS\n"
    if any(character.isspace() for character in interpreter) or len(line) > 255:
        raise ValueError(f"interpreter {interpreter!r}: a path of at most 250 bytes without spaces is needed")
    program = resources.files("podwire.pods.runtime").joinpath("plugin.py").read_bytes()
    _write(target, line.encode() + program, 0o755)


def configuration_list(socket: Path, name: str = "podwire") -> str:
    """The JSON text of a network configuration list that leads to the agent at this socket."""
    plugin = {"type": PLUGIN_TYPE, SOCKET_KEY: str(socket)}
    newest = SUPPORTED_VERSIONS[-1]
    content = {"cniVersion": newest, "cniVersions": SUPPORTED_VERSIONS, "name": name, "plugins": [plugin]}
    return json.dumps(content, indent=2) + "\n"


def install_configuration(target: Path, socket: Path, name: str = "podwire") -> None:
    """Write the network configuration list, such as 10-podwire.conflist."""
    _write(target, configuration_list(socket, name).encode(), 0o644)


def _write(target: Path, content: bytes, mode: int) -> None:
    """Whole or not at all: a runtime never sees half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
