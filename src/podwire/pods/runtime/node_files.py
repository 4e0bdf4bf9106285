"""The CNI plugin and its configuration on a node of a cluster, and what was there before them.

`place` keeps a copy of each file that it displaces, and `remove` restores it. Both may be repeated after any death.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from podwire.pods.runtime import installation
from podwire.pods.runtime.installation import PLUGIN_TYPE

BIN_DIR = Path("/opt/cni/bin")
CONF_DIR = Path("/etc/cni/net.d")
CONFIGURATION_NAME = "05-podwire.conflist"
"""Runtimes take the first file of the folder: this one comes before those that other networks usually write."""
SUFFIXES = frozenset({".conf", ".conflist", ".json"})
"""Names of files that a runtime reads as network configurations (containernetworking/cni, libcni/conf.go)."""


class NodeFiles(msgspec.Struct, frozen=True):
    """Where the files are: of plugins, of network configurations, and podwire's own state."""

    state: Path
    plugins: Path = BIN_DIR
    configurations: Path = CONF_DIR

    @property
    def plugin(self) -> Path:
        """The executable that runtimes start."""
        return self.plugins / PLUGIN_TYPE

    @property
    def configuration(self) -> Path:
        """The network configuration list."""
        return self.configurations / CONFIGURATION_NAME

    @property
    def socket(self) -> Path:
        """The agent's CNI socket."""
        return self.state / "cni.sock"

    def displaced(self, file: Path) -> Path:
        """Where the copy of a file is that was there before."""
        return self.state / "displaced" / file.name


def place(files: NodeFiles) -> list[str]:
    """Write plugin, then configuration, each whole or not at all; return what a user should know. Raises OSError."""
    files.state.mkdir(parents=True, exist_ok=True)
    files.state.chmod(0o700)
    _keep(files)
    installation.install(files.plugin)
    installation.install_configuration(files.configuration, files.socket)
    hints = []
    if not (files.plugins / "loopback").exists():
        hints.append(
            f"{files.plugins / 'loopback'} does not exist: containerd needs it for every pod, unless its option "
            "use_internal_loopback is true; install the plugins of containernetworking"
        )
    earlier = sorted(one.name for one in files.configurations.iterdir() if one.suffix in SUFFIXES)
    return hints + [
        f"{files.configurations / name} comes before {CONFIGURATION_NAME}, so runtimes use that network: remove it"
        for name in earlier[: earlier.index(CONFIGURATION_NAME)][:1]
    ]


def remove(files: NodeFiles) -> list[str]:
    """Remove the configuration, then the plugin, and restore what was there before; return what was done."""
    done = []
    for file in (files.configuration, files.plugin):
        copy = files.displaced(file)
        if copy.exists():
            new = file.with_name(f".{file.name}.new")
            shutil.copy2(copy, new)
            new.replace(file)
            copy.unlink()
            done.append(f"restored {file}")
        elif file.exists() and _is_ours(files, file):
            file.unlink()
            done.append(f"removed {file}")
    return done


def _is_ours(files: NodeFiles, file: Path) -> bool:
    """Whether podwire wrote a file: it has been placed here, as the mark of `_keep` shows."""
    return _mark(files).exists() or (file == files.configuration and _names_podwire(file))


def _mark(files: NodeFiles) -> Path:
    """Exists once the files that were there before are kept."""
    return files.state / "displaced" / ".kept"


def _keep(files: NodeFiles) -> None:
    """Copy what is there before podwire's first files; never those of podwire itself, as after a lost state folder."""
    mark = _mark(files)
    if mark.exists():
        return
    mark.parent.mkdir(parents=True, exist_ok=True)
    known = files.configuration.exists() and _names_podwire(files.configuration)
    for file in () if known else (files.configuration, files.plugin):
        if file.exists():
            copy = files.displaced(file)
            shutil.copy2(file, copy)
            with copy.open("rb") as written:
                os.fsync(written.fileno())
    mark.touch()


def _names_podwire(configuration: Path) -> bool:
    return f'"{PLUGIN_TYPE}"' in configuration.read_text(errors="replace")
