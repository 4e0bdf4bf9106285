"""What a running cluster is, in the file `cluster.json` of its folder: written by `up`, read by all others."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tools.cluster.layout import Layout, folder_of, state_root
from tools.cluster.programs import Programs

FILE = "cluster.json"


class NoSuchClusterError(Exception):
    """There is no cluster of this name."""


class Record(msgspec.Struct, frozen=True):
    """A cluster's options, the paths of its programs, and its port on this machine's loopback."""

    name: str
    nodes: int
    folder: str
    apart: bool
    pod_ranges: bool
    programs: dict[str, str]
    port: int

    @classmethod
    def of(cls, layout: Layout, programs: Programs, port: int) -> Record:
        """The record of a cluster that starts."""
        paths = {name: str(path) for name, path in programs.paths.items()}
        return cls(layout.name, layout.nodes, str(layout.folder), layout.apart, layout.pod_ranges, paths, port)

    @property
    def layout(self) -> Layout:
        """The plan."""
        return Layout(self.name, self.nodes, Path(self.folder), self.apart, self.pod_ranges)

    @property
    def built(self) -> Programs:
        """The programs."""
        return Programs({name: Path(path) for name, path in self.programs.items()})


def save(record: Record) -> None:
    """Write the record."""
    Path(record.folder, FILE).write_bytes(msgspec.json.encode(record))


def load(folder: Path) -> Record:
    """Read the record of a folder. Raises NoSuchClusterError."""
    try:
        return msgspec.json.decode(folder.joinpath(FILE).read_bytes(), type=Record)
    except FileNotFoundError as error:
        raise NoSuchClusterError(f"cluster {folder.name} does not exist; {_known()}") from error


def named(name: str) -> Record:
    """The record of the cluster of this name. Raises NoSuchClusterError."""
    return load(folder_of(name))


def names() -> list[str]:
    """All clusters that have a folder."""
    return sorted(path.parent.name for path in state_root().glob(f"*/{FILE}"))


def _known() -> str:
    return f"there are: {', '.join(names())}" if names() else "there is none: `python -m tools.cluster up` starts one"
