"""Enter a world from the host: run a program with the host's files in the network of a node or a pod."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import quote

import msgspec

from podwire.agent import rows_socket
from podwire.kernel import namespaces
from podwire.kube.core import Pod
from podwire.lab.base import paths
from podwire.lab.host.manifests import kubectl
from podwire.lab.host.worlds import World, WorldError
from podwire.lab.network.topology import Topology

UNDERLAY_HOSTS = ("underlay", "outside")


class _PodList(msgspec.Struct, frozen=True):
    items: tuple[Pod, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Paths inside the world: a network namespace, and the resolv.conf of the pod that it is; empty for a node."""

    network: str
    resolver: str = ""


def place_of(world: World, target: str) -> Place:
    """What a target names: a node, `outside`, `underlay`, a pod, or a workload, of which one pod is chosen.

    A name without a namespace is one of namespace default. Raises WorldError.
    """
    nodes = node_names(world)
    if target in (*UNDERLAY_HOSTS, *nodes):
        return Place(str(paths.network(target)))
    from podwire.lab.host import pod_choice

    name = pod_choice.parsed(target)
    chosen = pod_choice.choose(name, _pods(world, name.namespace), (*UNDERLAY_HOSTS, *nodes))
    pod = chosen.pod
    if chosen.of:
        sys.stderr.write(f"podwire: in pod {pod.key}, one of {chosen.of} of {target}\n")
    node, uid = pod.spec.node_name, pod.metadata.uid
    network = paths.network(node if pod.spec.host_network else f"pods/{uid}")
    return Place(str(network), str(paths.node(node) / "pods" / uid / "etc" / "resolv.conf"))


def _pods(world: World, namespace: str) -> tuple[Pod, ...]:
    """Return the pods of a namespace; none where it does not exist. Raises WorldError."""
    command = [kubectl(), "get", "--raw", f"/api/v1/namespaces/{quote(namespace, safe='')}/pods"]
    environment = {**os.environ, "KUBECONFIG": str(world.kubeconfig)}
    answer = subprocess.run(command, env=environment, capture_output=True, check=False)
    if answer.returncode:
        raise WorldError(f"the pods of {world.name} cannot be listed: {answer.stderr.decode().strip()}")
    return msgspec.json.decode(answer.stdout, type=_PodList).items


def node_names(world: World) -> list[str]:
    """All nodes of a world."""
    return [f"node-{number}" for number in range(1, world.nodes + 1)]


def enter(world: World, network: str) -> None:
    """Move this single-threaded process into the world: its users, files and the given network.

    Children that it forks from now on are in the world's pid namespace too and end with the world.
    """
    kinds = (
        ("user", namespaces.CLONE_NEWUSER),
        ("mnt", namespaces.CLONE_NEWNS),
        ("pid", namespaces.CLONE_NEWPID),
        ("uts", namespaces.CLONE_NEWUTS),
    )
    descriptors = [(os.open(f"/proc/{world.pid}/ns/{name}", os.O_RDONLY), kind) for name, kind in kinds]
    for descriptor, kind in descriptors:
        namespaces.setns(descriptor, kind)
        os.close(descriptor)
    try:
        namespaces.enter_network(network)
    except FileNotFoundError:
        raise WorldError(f"{network}: the network of this pod is not there; has the pod started?") from None
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def use_resolver(path: str) -> None:
    """Let /etc/resolv.conf be the pod's, or for a node the one that leads outside, for this process alone."""
    if not path:
        path = str(paths.WORLD / "resolv.conf")
        with open(path, "w") as file:
            file.write(f"nameserver {Topology(nodes=1).outside4.ip}\n")
    namespaces.unshare(namespaces.CLONE_NEWNS)
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    target = os.path.realpath("/etc/resolv.conf")
    if not os.path.exists(target):  # a link into /run, where the world has its own files
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w"):
            pass
    namespaces.mount(path, target, flags=namespaces.MS_BIND)


def rows(world: World, node: str, capability: str) -> str:
    """Return the rows that a node's agent wants in the kernel. Raises WorldError."""
    nodes = node_names(world)
    if node not in nodes:
        raise WorldError(f"--node {node}: is none of {', '.join(nodes)}")
    return computed(world, node, lambda: _desired_rows(node, capability))


def _desired_rows(node: str, capability: str) -> str:
    try:
        return rows_socket.read(paths.node(node) / "rows.sock", capability)
    except OSError as error:
        raise WorldError(f"the agent of {node} does not answer: {error}; see 'podwire logs agent-{node}'") from None


def computed(world: World, target: str, function: Callable[[], str]) -> str:
    """Return what a function returns in the network of a target, with its resolver. It runs in a child.

    Raises WorldError.
    """
    place = place_of(world, target)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _compute(world, target, place, function, writer)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status:
        raise WorldError(text)
    return text


def _compute(world: World, target: str, place: Place, function: Callable[[], str], writer: int) -> NoReturn:
    """Enter and write the result or the error to a pipe. The function may start threads: so it runs in a second child.

    A process that entered a pid namespace is not in it itself, and may make no thread (clone(2), CLONE_THREAD).
    """
    status = 1
    try:
        with os.fdopen(writer, "w") as pipe:
            try:
                enter(world, place.network)
                use_resolver(place.resolver)
                pid = os.fork()
                if pid:
                    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                else:
                    pipe.write(function())
                    status = 0
            except BaseException as error:  # an interrupt too: this process must not go on as a second one
                pipe.write(
                    str(error) if isinstance(error, WorldError) else f"{target}: {type(error).__name__}: {error}"
                )
    finally:
        os._exit(status)


def words_of(verb: str, program: Sequence[str], example: str) -> Sequence[str]:
    """A program and its arguments, without the `--` before it. Raises WorldError where there is none."""
    words = program[1:] if program and program[0] == "--" else program
    if not words:
        raise WorldError(f"{verb}: name a program after '--', such as: podwire {example}")
    return words


def run(world: World, target: str, arguments: Sequence[str]) -> int:
    """Run a program in the target's network; returns its exit status, 128 + signal where one ended it.

    The program ends with this process, by whatever signal that ends.
    """
    place = place_of(world, target)
    folder = os.getcwd()
    enter(world, place.network)
    use_resolver(place.resolver)

    def program() -> None:
        namespaces.prctl(namespaces.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.path.isdir(folder):
            os.chdir(folder)
        try:
            os.execvp(arguments[0], list(arguments))
        except OSError as error:
            os.write(2, f"podwire: {arguments[0]}: {error.strerror}\n".encode())
            os._exit(127)

    return _in_child(program)


def _in_child(program: Callable[[], None]) -> int:
    """Run a program in a child; keys that interrupt reach it alone, as it is in the terminal's group too."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
    pid = os.fork()
    if pid == 0:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if handler is signal.SIG_IGN else signal.SIG_DFL)
        program()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
