"""What a run was: run.json in its folder, so that a page can be made of finished runs."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tools.conformance.results import Line, read

FILE = "run.json"
ENDS = "results.jsonl"


class Record(msgspec.Struct, frozen=True):
    """One run: podwire's commit, the day, and how it was bounded, in words."""

    commit: str
    date: str
    limits: str


def describe() -> tuple[str, str]:
    """The commit that is tested, and the day."""
    call = ["git", "describe", "--always", "--dirty"]
    described = subprocess.run(call, check=False, capture_output=True, text=True).stdout.strip()
    return described or "unknown", datetime.datetime.now(datetime.UTC).date().isoformat()


def begin(folder: Path, limits: str) -> Record:
    """Write the record of a run that begins now."""
    record = Record(*describe(), limits)
    folder.joinpath(FILE).write_bytes(msgspec.json.encode(record))
    return record


def write(folder: Path, lines: Iterable[Line]) -> None:
    """Write the ends of a run's tests, where the suite itself does not."""
    folder.joinpath(ENDS).write_bytes(msgspec.json.Encoder().encode_lines(list(lines)))


def load(folders: Iterable[Path]) -> tuple[list[Record], list[Line]]:
    """The records of several runs and the ends of their tests, in this order. Raises ValueError for other folders."""
    found: list[Record] = []
    lines: list[Line] = []
    for folder in folders:
        try:
            found.append(msgspec.json.decode(folder.joinpath(FILE).read_bytes(), type=Record))
        except (OSError, msgspec.MsgspecError) as error:
            raise ValueError(f"{folder}: no folder of a run: {error}; runs are in {folder.parent}") from error
        lines += read(folder / ENDS)
    return found, lines
