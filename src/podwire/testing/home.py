"""A place for worlds of their own: podwire's state, kubeconfig and caches in one folder, away from the user's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__tracebackhide__ = True  # in a failed test's report the user's own line is the last one

PROGRAMS = Path(sys.executable).parent
"""Where `podwire` and the kubectl of `podwire[testing]` are."""

PODWIRE = (sys.executable, "-P", "-m", "podwire")

Result = subprocess.CompletedProcess[str]
"""How a program ended: `returncode`, and its output in `stdout` and `stderr`."""


class CommandError(AssertionError):
    """A program failed. The text is its command line and its output.

    Attributes: `result`, the whole Result.
    """

    def __init__(self, result: Result) -> None:
        words = " ".join(map(str, result.args))
        output = "\n".join(text for text in (result.stdout.strip(), result.stderr.strip()) if text)
        super().__init__(f"{words} -> {result.returncode}\n{output}")
        self.result = result


@dataclass(frozen=True)
class Home:
    """A folder in which worlds live as if they were another user's."""

    folder: Path

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig that `podwire up` writes to here: all worlds of this place."""
        return self.folder / "kubeconfig"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of programs that shall see these worlds and no others."""
        return {
            **os.environ,
            "PODWIRE_STATE": str(self.folder / "state"),
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.folder / "cache"),
            "PATH": f"{PROGRAMS}:{os.environ.get('PATH', os.defpath)}",
        }

    def run(
        self,
        *command: str,
        check: bool = True,
        timeout: float = 60,
        stdin: str | None = None,
        descriptors: Sequence[int] = (),
    ) -> Result:
        """Run a program to its end; raises CommandError where it fails and `check` is true.

        `timeout` is in seconds; `descriptors` are file descriptors that the program inherits.
        """
        result = subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
            check=False,
            pass_fds=descriptors,
        )
        if check and result.returncode:
            raise CommandError(result)
        return result

    def podwire(self, *arguments: str, check: bool = True, timeout: float = 60) -> Result:
        """Run podwire's command line."""
        return self.run(*PODWIRE, *arguments, check=check, timeout=timeout)
