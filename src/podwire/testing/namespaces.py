"""A namespace of a test's own in a world that is shared."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from podwire.testing.home import Result
from podwire.testing.kubectl import Kubectl
from podwire.testing.outside import Outside
from podwire.testing.verdict import Verdict
from podwire.testing.waiting import eventually
from podwire.testing.world import World

__tracebackhide__ = True  # in a failed test's report the user's own line is the last one

LONGEST_WORDS = 40
"""Of the test's name in the namespace's: the whole is a DNS label of at most 63 characters."""


@dataclass(frozen=True, repr=False)
class Namespace:
    """A namespace, and the verbs of its world where names without a namespace mean this one.

    Attributes: `name`, and `world`, the world as seen from this namespace.
    """

    name: str
    world: World

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<namespace {self.name}>"

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as a function, in this namespace."""
        return self.world.kubectl

    @property
    def outside(self) -> Outside:
        """The host outside of the cluster; Services that are named without a namespace are of this one."""
        return self.world.outside

    def apply(self, manifest: str | Path) -> None:
        """Apply a manifest: its text, or a file, a folder or a URL."""
        self.world.apply(manifest)

    def wait(self, timeout: float = 60) -> None:
        """Wait until every workload is rolled out and every pod is ready; `timeout` is in seconds."""
        self.world.wait(self.name, timeout)

    def run_in(self, target: str, *command: str, check: bool = True, timeout: float = 60) -> Result:
        """Run a program of this machine in the network of a target."""
        return self.world.run_in(target, *command, check=check, timeout=timeout)

    def exec(self, target: str, *command: str, container: str = "", stdin: str | None = None) -> Result:
        """Run a program inside a container."""
        return self.world.exec(target, *command, container=container, stdin=stdin)

    def allowed(self, source: str, target: str, *, protocol: str = "TCP", within: float = 30) -> Verdict:
        """Whether a connection is answered; see World.allowed."""
        return self.world.allowed(source, target, protocol=protocol, within=within)

    def denied(self, source: str, target: str, *, protocol: str = "TCP", within: float = 30) -> Verdict:
        """Whether a connection gets no reaction at all; see World.denied."""
        return self.world.denied(source, target, protocol=protocol, within=within)


def fresh_namespace(world: World, words: str) -> Namespace:
    """A new namespace named after `words`, ready for pods."""
    name = f"{label(words)}-{secrets.token_hex(3)}"
    world.kubectl("create", "namespace", name)
    account = ("serviceaccount", "default", "--namespace", name, "--ignore-not-found", "-o", "name")
    eventually(lambda: world.kubectl("get", *account).stdout, what=f"the ServiceAccount of namespace {name}")
    return Namespace(name, world.within(name))


def remove(namespace: Namespace) -> None:
    """Delete a namespace without waiting for its end."""
    words = ("namespace", namespace.name, "--wait=false", "--ignore-not-found")
    namespace.kubectl("delete", *words, check=False)


def label(words: str) -> str:
    """A DNS label's beginning from a test's name."""
    plain = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
    return plain.removeprefix("test-")[:LONGEST_WORDS].strip("-") or "test"
