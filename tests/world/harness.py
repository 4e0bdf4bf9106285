"""A world for tests: started by the real command line, with a state folder and a kubeconfig of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

BIN = Path(sys.executable).parent
PODWIRE = str(BIN / "podwire")
KUBECTL = str(BIN / "kubectl")

ENTERED = {"user": "user", "mount": "mnt", "pid": "pid"}
"""The namespaces of a world that a program enters, and their names in /proc."""

Result = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Home:
    """A user's place: podwire's state and kubeconfig live in one temporary folder."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PODWIRE_STATE": str(self.folder / "state"),
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }

    def run(self, *command: str, check: bool = True, timeout: float = 60, stdin: str | None = None) -> Result:
        """Run a program to its end; a failure shows what it said."""
        result = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout, input=stdin, check=False
        )
        if check and result.returncode:
            raise AssertionError(f"{' '.join(command)} -> {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def podwire(self, *arguments: str, check: bool = True, timeout: float = 60) -> Result:
        return self.run(PODWIRE, *arguments, check=check, timeout=timeout)


@dataclass(frozen=True)
class World:
    """A running world."""

    home: Home
    name: str
    pods: dict[str, str] = field(default_factory=dict)

    def kubectl(self, *arguments: str, check: bool = True, timeout: float = 60, stdin: str | None = None) -> Result:
        context = f"--context=podwire-{self.name}"
        return self.home.run(KUBECTL, context, *arguments, check=check, timeout=timeout, stdin=stdin)

    def apply(self, manifest: str) -> None:
        self.kubectl("apply", "-f", "-", stdin=manifest)

    def run_in(self, target: str, *command: str, check: bool = True, timeout: float = 30) -> Result:
        """Run a program of this machine in the network of a node, a pod or the outside host, as `podwire exec` does.

        nsenter takes 5 ms where podwire exec, which asks kubectl where the pod is, takes 300.
        """
        enter = [f"--{kind}=/proc/{self.pid}/ns/{file}" for kind, file in ENTERED.items()]
        inside = ["nsenter", f"--net={self.network(target)}", *command]
        return self.home.run("nsenter", *enter, "-S", "0", "-G", "0", *inside, check=check, timeout=timeout)

    def network(self, target: str) -> str:
        """The network namespace of a target, as a path inside the world; a pod is looked up once by its name."""
        if target in {"underlay", "outside"} or target.startswith("node-"):
            return f"/run/podwire/netns/{target}"
        if target not in self.pods:
            namespace, _, pod = target.rpartition("/")
            path = "{.metadata.uid}"
            self.pods[target] = self.jsonpath(f"pod {pod}", path, "--namespace", namespace or "default")
        return f"/run/podwire/netns/pods/{self.pods[target]}"

    def jsonpath(self, what: str, path: str, *more: str) -> str:
        return self.kubectl("get", *what.split(), "-o", f"jsonpath={path}", *more).stdout

    @property
    def pid(self) -> int:
        """The first process, as the host sees it."""
        import json

        path = self.home.folder / "state" / "worlds" / self.name / "world.json"
        return int(json.loads(path.read_text())["pid"])

    def processes(self) -> dict[int, str]:
        """All processes of the world by the host's process id, with their names."""
        return descendants(self.pid)


def descendants(root: int) -> dict[int, str]:
    """A process and all below it; orphans in a pid namespace belong to its first process, so none is missed."""
    children: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        name, _, rest = text.partition("(")[2].rpartition(")")
        pid = int(text.split(" ", 1)[0])
        names[pid] = name
        children.setdefault(int(rest.split()[1]), []).append(pid)
    found: dict[int, str] = {}
    pending = [root]
    while pending:
        pid = pending.pop()
        if pid in names:
            found[pid] = names[pid]
        pending += children.get(pid, [])
    return found


def eventually(condition: Callable[[], bool], seconds: float = 20, what: str = "the condition") -> None:
    """Wait until the condition holds; fail after the deadline."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not hold within {seconds} s")
        _pause(pause)
        pause = min(pause * 2, 0.2)


def _pause(seconds: float) -> None:
    """Give the world time between two looks at it."""
    import threading

    threading.Event().wait(seconds)


def running(home: Home, name: str, *arguments: str) -> Iterator[World]:
    """Start a world, hand it out, end it."""
    home.podwire("up", "--quiet", "--name", name, *arguments)
    world = World(home, name)
    try:
        yield world
    finally:
        home.podwire("down", "--name", name, check=False)
