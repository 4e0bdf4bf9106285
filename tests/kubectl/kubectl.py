"""One release of kubectl at work in a namespace of its own, and ways to read what it prints."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.world.harness import BIN, Result

RELEASES: Mapping[str, Path] = {"1.32": BIN.parent / "clients" / "kubectl-1.32", "1.37": BIN / "kubectl"}
"""The oldest and the newest kubectl that podwire promises to serve."""

AGE = re.compile(r"^(<invalid>|\d+[smhd](\d+[smh])?)$")
"""A span of time as kubectl writes it, such as 3m12s."""


@dataclass(frozen=True)
class Kubectl:
    """A kubectl whose current context has a namespace for one module of tests."""

    release: str
    binary: Path
    environment: Mapping[str, str]
    namespace: str
    folder: Path

    @property
    def newest(self) -> bool:
        return self.release == max(RELEASES)

    def run(self, *arguments: str, stdin: str | None = None, **environment: str) -> Result:
        """Run it to its end, whatever that is."""
        return subprocess.run(
            (str(self.binary), *arguments),
            env={**self.environment, **environment},
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def __call__(self, *arguments: str, stdin: str | None = None, **environment: str) -> str:
        """What it prints; it must succeed."""
        result = self.run(*arguments, stdin=stdin, **environment)
        if result.returncode:
            raise AssertionError(
                f"kubectl {' '.join(arguments)} -> {result.returncode}\n{result.stdout}{result.stderr}"
            )
        return result.stdout

    def refused(self, *arguments: str, stdin: str | None = None, code: int = 1) -> str:
        """What it says in its standard error; it must fail, with this exit code."""
        result = self.run(*arguments, stdin=stdin)
        assert result.returncode == code, f"kubectl {' '.join(arguments)} -> {result.returncode}\n{result.stdout}"
        return result.stderr

    def apply(self, manifest: str) -> None:
        self("apply", "-f", "-", stdin=manifest)

    def jsonpath(self, what: str, path: str, *more: str) -> str:
        return self("get", *what.split(), "-o", f"jsonpath={path}", *more)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-o", "json"))

    def write(self, name: str, text: str) -> str:
        """A file in kubectl's working folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return name

    @contextlib.contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A kubectl that keeps running; it is ended with the block."""
        process = subprocess.Popen(
            (str(self.binary), *arguments),
            env=dict(self.environment),
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            with process:
                try:
                    yield process
                finally:
                    process.kill()
        finally:
            process.wait()


def table(text: str) -> list[list[str]]:
    """A printed table, cell by cell; spans of time become AGE, as they differ from run to run."""
    return [
        ["AGE" if AGE.match(cell) else cell for cell in re.split(r"\s{2,}", line.strip())]
        for line in text.splitlines()
        if line.strip()
    ]


def line(process: subprocess.Popen[str]) -> str:
    """The next line of a kubectl that is running."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")
