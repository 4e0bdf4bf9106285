"""A running world, as tests use it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from podwire.testing import readiness, targets
from podwire.testing.home import Home, Result
from podwire.testing.kubectl import Kubectl
from podwire.testing.outside import Outside
from podwire.testing.processes import descendants, end
from podwire.testing.verdict import OPEN, PATIENCE, SILENT, Verdict, settle, split
from podwire.testing.waiting import eventually

__tracebackhide__ = True  # in a failed test's report the user's own line is the last one

ENTERED = {"user": "user", "mount": "mnt", "pid": "pid"}
"""The namespaces of a world that a program enters, and their names in /proc."""

RUN = Path("/run/podwire")
"""Where a world keeps everything, in its own mount namespace."""

WITH_RESOLVER = (
    't=$(readlink -m /etc/resolv.conf); [ -e "$t" ] || { mkdir -p "${t%/*}"; : > "$t"; }; '
    'mount -n --bind "$1" "$t"; shift; exec "$@"'
)
"""Runs a program with the file named first as its /etc/resolv.conf. In a mount namespace of its own."""


@dataclass(frozen=True, repr=False)
class World:
    """A running world. What names no namespace means `namespace`.

    Where a method takes a `target`, that is a node (`node-1`), `outside`, `underlay`, a pod (POD or NAMESPACE/POD), or
    a workload, which means one of its ready pods (`deploy/web`, `shop/deploy/web`). Times are seconds. What fails
    raises AssertionError with the output of the program.
    """

    home: Home
    name: str
    namespace: str = "default"
    known: dict[targets.Target, targets.Place] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        return f"<world {self.name}>"

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as a function: `world.kubectl("get", "pods").stdout`."""
        return Kubectl(self.home, f"podwire-{self.name}", self.namespace)

    @property
    def outside(self) -> Outside:
        """The host outside of the cluster: `world.outside.run("curl", "-s", address)`."""
        return Outside(self.home, self.name, self.namespace, self.run_in)

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig that holds this world only, for any client."""
        return self.folder / "kubeconfig"

    @property
    def environment(self) -> dict[str, str]:
        """The environment for programs of the test that shall talk to this world: KUBECONFIG and PATH are set."""
        return {**self.home.environment, "KUBECONFIG": str(self.kubeconfig)}

    @property
    def folder(self) -> Path:
        """What podwire keeps of the world on the host."""
        return self.home.folder / "state" / "worlds" / self.name

    @property
    def pid(self) -> int:
        """The first process, as the host sees it."""
        return int(json.loads((self.folder / "world.json").read_text())["pid"])

    def within(self, namespace: str) -> World:
        """The same world, where names without a namespace mean this one."""
        return replace(self, namespace=namespace)

    def apply(self, manifest: str | Path) -> None:
        """Apply a manifest: its text, or a file, a folder or a URL."""
        self.kubectl.apply(manifest)

    def jsonpath(self, what: str, path: str, *more: str) -> str:
        """One field as text: `world.jsonpath("pod web", "{.status.podIP}")`."""
        return self.kubectl.jsonpath(what, path, *more)

    def wait(self, namespace: str | None = None, timeout: float = 60) -> None:
        """Wait until every workload is rolled out and every pod is ready, in one namespace or in all of them."""
        where = ["--namespace", namespace] if namespace else ["--all-namespaces"]

        def ready() -> bool:
            troubles = readiness.not_ready(self.kubectl.json(readiness.KINDS, *where)["items"])
            if troubles:
                raise AssertionError("\n  ".join(["", *troubles]))
            return True

        eventually(ready, timeout, f"'everything is ready in {namespace or 'all namespaces'}'")

    def run_in(self, target: str, *command: str, check: bool = True, timeout: float = 60) -> Result:
        """Run a program of this machine in the network of a target, with a pod's names, as `podwire exec` does."""
        network, resolver = self.place(target)
        enter = [f"--{kind}=/proc/{self.pid}/ns/{file}" for kind, file in ENTERED.items()]
        inside = ["nsenter", f"--net={network}"]
        if resolver:
            inside += ["unshare", "--mount", "sh", "-c", WITH_RESOLVER, "sh", resolver]
        return self.home.run(
            "nsenter", *enter, "--preserve-credentials", *inside, *command, check=check, timeout=timeout
        )

    def exec(self, target: str, *command: str, container: str = "", stdin: str | None = None) -> Result:
        """Run a program inside a container of a pod or workload, as `kubectl exec` does."""
        one = targets.parse(target, self.namespace)
        options = [f"--container={container}"] if container else []
        options += ["--stdin"] if stdin is not None else []
        name = f"{one.kind}/{one.name}"
        return self.kubectl("exec", f"--namespace={one.namespace}", name, *options, "--", *command, stdin=stdin)

    def allowed(self, source: str, target: str, *, protocol: str = "TCP", within: float = 30) -> Verdict:
        """Whether a connection from the source to HOST:PORT is answered; tried again for `within` seconds.

        HOST is a name as the source resolves it, an address, or a pod or workload with a `/`, such as
        `shop/deploy/backend:8080`, which means the pod's own address. UDP counts as answered when a datagram
        comes back.
        """
        return self._judge(source, target, protocol, (OPEN, within))

    def denied(self, source: str, target: str, *, protocol: str = "TCP", within: float = 30) -> Verdict:
        """Whether a connection from the source to HOST:PORT gets no reaction at all, which is the effect of a policy.

        A refusal or an unknown name is no denial: such a test would prove nothing. Over UDP silence must be seen twice,
        the second time for longer. Else as `allowed`.
        """
        return self._judge(source, target, protocol, (SILENT, within))

    def _judge(self, source: str, target: str, protocol: str, desired: tuple[str, float]) -> Verdict:
        expected, within = desired
        host, port = split(target)

        def ask(seconds: float) -> str:
            address = self._pod(host).address if "/" in host else host
            return self._try_connection(source, (address, str(port), protocol, str(seconds)))

        seen, taken = settle(ask, expected, within, PATIENCE.get(protocol, PATIENCE["TCP"]))
        return Verdict(source, target, protocol, expected, seen, taken)

    def _try_connection(self, source: str, arguments: tuple[str, str, str, str]) -> str:
        program = resources.files("podwire.testing").joinpath("connection_probe.py").read_text()
        words = [sys.executable, "-I", "-S", "-c", program, *arguments]
        return self.run_in(source, *words).stdout

    def place(self, target: str) -> tuple[str, str]:
        """The network namespace of a target and the resolv.conf of a pod, as paths inside the world."""
        if target in {"underlay", "outside"} or target.startswith("node-"):
            return str(RUN / "netns" / target), ""
        pod = self._pod(target)
        resolver = RUN / "nodes" / pod.node / "pods" / pod.uid / "etc" / "resolv.conf"
        network = pod.node if pod.host_network else f"pods/{pod.uid}"
        return str(RUN / "netns" / network), str(resolver)

    def _pod(self, text: str) -> targets.Place:
        """The pod that a target means. A pod is looked up once by its name, until it is deleted."""
        target = targets.parse(text, self.namespace)
        place = self.known.get(target)
        if place is None or not self.visible(RUN / "netns" / "pods" / place.uid).exists():
            place = targets.find(self.kubectl, target)
            if target.kind == "pod" and place.address:
                self.known[target] = place
        return place

    def visible(self, path: Path) -> Path:
        """A path inside the world, as the host sees it."""
        return Path(f"/proc/{self.pid}/root{path}")

    def processes(self) -> dict[int, str]:
        """All processes of the world by the host's process id, with their names."""
        return descendants(self.pid)

    def kill(self, role: str) -> list[int]:
        """Kill a part of podwire itself, such as `apiserver`, with SIGKILL; it comes back by itself.

        For tests of programs that must survive that. Returns the process ids that were killed, when they have ended.
        """
        name = f"pw-{role}"[:15]
        killed = [pid for pid, comm in self.processes().items() if comm == name]
        if not killed:
            roles = sorted({comm[3:] for comm in self.processes().values() if comm.startswith("pw-")})
            raise ValueError(f"{role}: no such part of world {self.name} runs; there are: {', '.join(roles)}")
        for pid in killed:
            end(pid)
        return killed
