"""Resolve an image on a machine without a registry: a program of this machine, a stand-in, or an error. Pure.

The rules, in order:

1. `command` is given: it must be a program that the container can see; else the container fails. Never a stand-in.
2. The image is one of shells and tools (busybox, alpine, a plain distribution, curl): `args` are its command, without
   them its shell, or arguments of its entry point. In a busybox image busybox's own programs come first, where busybox
   is on the machine, whichever rule it is.
3. Any other image: a stand-in. `args` are for an entry point that is not here, so they are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from podwire.kube.core import Container, IntOrString, Pod, Probe
from podwire.kube.services import Service
from podwire.lab.images import busybox
from podwire.lab.standin.port import Port

SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Where container runtimes search when the image sets no PATH."""

BUSYBOX_IMAGES = frozenset({"busybox", "alpine"})
SHELL_IMAGES = BUSYBOX_IMAGES | {
    "debian",
    "ubuntu",
    "fedora",
    "bash",
    "busyboxplus",
    "dnstools",
    "dnsutils",
    "netshoot",
}
ENTRY_POINTS: Mapping[str, str] = MappingProxyType({"alpine-curl": "curl", "curl": "curl"})
"""Images of one tool, which run another program where `args` begin with one (curlimages/curl `entrypoint.sh`)."""
TOOL_SERVERS = frozenset({"network-multitool"})
"""Images with tools that serve HTTP where they get no `args`."""

UNKNOWN_IMAGE_PORTS = (80,)
DEFAULT_PORTS: Mapping[str, tuple[int, ...]] = {
    "adminer": (8080,),
    "agnhost": (8080,),
    "cassandra": (9042,),
    "clickhouse-server": (8123, 9000),
    "cockroach": (26257, 8080),
    "consul": (8500,),
    "couchdb": (5984,),
    "echoserver": (8080,),
    "elasticsearch": (9200,),
    "envoy": (10000,),
    "etcd": (2379,),
    "ghost": (2368,),
    "grafana": (3000,),
    "hello-app": (8080,),
    "http-echo": (5678,),
    "influxdb": (8086,),
    "jenkins": (8080,),
    "kafka": (9092,),
    "keycloak": (8080,),
    "kibana": (5601,),
    "kuard-amd64": (8080,),
    "mariadb": (3306,),
    "memcached": (11211,),
    "minio": (9000,),
    "mongo": (27017,),
    "mosquitto": (1883,),
    "mysql": (3306,),
    "nats": (4222,),
    "neo4j": (7474, 7687),
    "nginx-unprivileged": (8080,),
    "node-exporter": (9100,),
    "pause": (),
    "podinfo": (9898,),
    "postgres": (5432,),
    "prometheus": (9090,),
    "rabbitmq": (5672,),
    "redis": (6379,),
    "registry": (5000,),
    "tomcat": (8080,),
    "valkey": (6379,),
    "vault": (8200,),
    "zookeeper": (2181,),
}
"""TCP ports on which well-known images listen by default, where that is not port 80."""


class Program(msgspec.Struct, frozen=True):
    """A program on this machine: its file, its arguments after that, and the name it is called by if not its file's."""

    file: str
    arguments: tuple[str, ...] = ()
    name: str = ""


class StandIn(msgspec.Struct, frozen=True):
    """The image is not here: a stand-in answers in its place."""

    image: str


class Missing(msgspec.Struct, frozen=True):
    """The container cannot run; the message is for its status and an event."""

    message: str


class Machine(msgspec.Struct, frozen=True):
    """What a container can see: `is_program(path)` of its files, and the names that its busybox knows."""

    is_program: Callable[[str], bool]
    busybox_applets: frozenset[str] = frozenset()

    def find(self, name: str) -> str | None:
        """The file of a program: a path as it is, a name as the shell would look it up."""
        if "/" in name:
            return name if self.is_program(name) else None
        return next((path for path in (f"{folder}/{name}" for folder in SEARCH_PATH) if self.is_program(path)), None)


def short_name(image: str) -> str:
    """The last part of an image's name without registry, tag and digest: `nginx` of `docker.io/library/nginx:1.27`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()


def resolve(image: str, command: Sequence[str], args: Sequence[str], machine: Machine) -> Program | StandIn | Missing:
    """What to run for a container; the module's text has the rules."""
    words = (*command, *args) if command else _image_command(short_name(image), args, machine)
    if not words:
        return StandIn(image)
    if has_applets(image, machine):
        applet = _applet(words[0], machine)
        if applet is not None:
            return Program(f"{busybox.FOLDER}/{applet}", tuple(words[1:]), words[0])
    file = machine.find(words[0])
    if file is None:
        where = "no such file" if "/" in words[0] else f"not found in {':'.join(SEARCH_PATH)}"
        return Missing(
            f"{'command' if command else 'args'} {words[0]!r} of image {image!r}: {where}. Containers run programs of"
            " this machine: install it here, or leave out the command to get a stand-in"
        )
    return Program(file, tuple(words[1:]))


def _image_command(name: str, args: Sequence[str], machine: Machine) -> tuple[str, ...]:
    """What an image of shells and tools runs with these `args`; empty for any other image."""
    if name in SHELL_IMAGES:
        return tuple(args) or ("sh",)
    if name in ENTRY_POINTS:
        own_program = bool(args) and not args[0].startswith("-") and machine.find(args[0]) is not None
        return tuple(args) if own_program else (ENTRY_POINTS[name], *args)
    return tuple(args) if name in TOOL_SERVERS else ()


def has_applets(image: str, machine: Machine) -> bool:
    """Whether a container of this image has busybox's programs before those of the machine."""
    return short_name(image) in BUSYBOX_IMAGES and bool(machine.busybox_applets)


def whole_shell(image: str, program: Program, machine: Machine) -> str:
    """Return this machine's bash where a program is busybox's shell: it passes on variables whatever their names are.

    The published busybox's shell does too; Debian 12's leaves out names with dashes and dots. Empty for all others.
    """
    is_shell = program.file in {f"{busybox.FOLDER}/sh", f"{busybox.FOLDER}/ash"}
    return (machine.find("bash") or "") if is_shell and has_applets(image, machine) else ""


def _applet(word: str, machine: Machine) -> str | None:
    """Return the busybox program that a command names, also by its usual path."""
    folder, _, name = word.rpartition("/")
    return name if name in machine.busybox_applets and folder in {"", *SEARCH_PATH} else None


def stand_in_ports(pod: Pod, stand_ins: Iterable[str], services: Iterable[Service] = ()) -> dict[str, tuple[Port, ...]]:
    """The ports on which each stand-in container of a pod listens; no port is given to two of them.

    Its containerPorts and probes' ports; where it has none of these, what its image is known for. Target ports of
    Services that select the pod go to the container that has them, the others to the first stand-in.
    """
    names = tuple(stand_ins)
    containers = {container.name: container for container in (*pod.spec.init_containers, *pod.spec.containers)}
    found: dict[str, set[Port]] = {name: set() for name in names}
    taken: set[Port] = set()
    for name, container in containers.items():
        fresh = (_own_ports(container) if name in found else _declared(container)) - taken
        found.get(name, set()).update(fresh)
        taken |= fresh
    if names:
        found[names[0]] |= _targets(pod, services) - taken
    return {name: tuple(sorted(ports)) for name, ports in found.items()}


def _own_ports(container: Container) -> set[Port]:
    """Return the ports that a container listens on by its own spec."""
    probes = (container.readiness_probe, container.liveness_probe, container.startup_probe)
    own = _declared(container) | {port for probe in probes if probe is not None for port in _probed(probe, container)}
    return own or {
        Port("TCP", number) for number in DEFAULT_PORTS.get(short_name(container.image), UNKNOWN_IMAGE_PORTS)
    }


def _declared(container: Container) -> set[Port]:
    return {Port(port.protocol, port.container_port) for port in container.ports}


def _probed(probe: Probe, container: Container) -> set[Port]:
    """The port that a probe connects to; none where it names another host or a program."""
    if probe.grpc is not None:
        return {Port("TCP", probe.grpc.port)}
    action = probe.http_get or probe.tcp_socket
    if action is None or action.host:
        return set()
    return _numbered(action.port, "TCP", (container,))


def _targets(pod: Pod, services: Iterable[Service]) -> set[Port]:
    """The target ports of the Services that select a pod."""
    labels = pod.metadata.labels.items()
    return {
        target
        for service in services
        if service.metadata.namespace == pod.metadata.namespace
        and service.spec.selector
        and service.spec.type != "ExternalName"
        and service.spec.selector.items() <= labels
        for port in service.spec.ports
        for target in _numbered(port.target_port or port.port, port.protocol, pod.spec.containers)
    }


def _numbered(port: IntOrString, protocol: str, containers: Iterable[Container]) -> set[Port]:
    """A port by number, or by the name that a container gives it; none where no container does."""
    if isinstance(port, int):
        return {Port(protocol, port)}
    return {
        Port(protocol, one.container_port)
        for container in containers
        for one in container.ports
        if one.name == port and one.protocol == protocol
    }
