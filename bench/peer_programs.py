"""Programs in Go that podwire is measured beside, built before a sample: its namespaces have no network."""

from __future__ import annotations

from pathlib import Path
from subprocess import CalledProcessError

from bench.isolation import UnsuitableMachineError
from tools.conformance import programs


class MissingPeerError(UnsuitableMachineError):
    """A program that podwire is measured beside is not here and cannot be built."""


def built(program: programs.Program) -> Path:
    """The program; the first build takes minutes. Raises MissingPeerError."""
    try:
        return programs.build(program)
    except programs.MissingGoError as error:
        raise MissingPeerError(str(error)) from None
    except CalledProcessError as error:
        reason = f"{program.name} cannot be built: go ended with status {error.returncode}, its output is above"
        raise MissingPeerError(reason) from None
