import pytest

from podwire.kube.core import Container, ContainerPort, GRPCAction, HTTPGetAction, Pod, PodSpec, Probe, TCPSocketAction
from podwire.kube.meta import ObjectMeta
from podwire.kube.services import Service, ServicePort, ServiceSpec
from podwire.lab.images.resolution import (
    Machine,
    Missing,
    Program,
    StandIn,
    has_applets,
    resolve,
    short_name,
    stand_in_ports,
    whole_shell,
)
from podwire.lab.standin.port import Port

FILES = frozenset({"/bin/sh", "/usr/bin/python3", "/usr/bin/curl", "/opt/tool"})
PLAIN = Machine(FILES.__contains__)
BUSY = Machine((FILES | {"/bin/busybox"}).__contains__, frozenset({"sh", "wget", "sleep"}))
BASH = Machine((FILES | {"/bin/busybox", "/usr/bin/bash"}).__contains__, frozenset({"ash", "env", "sh"}))


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx", "nginx"),
        ("nginx:1.27", "nginx"),
        ("docker.io/library/nginx@sha256:00", "nginx"),
        ("registry:5000/team/Web:v1", "web"),
        ("registry.k8s.io/pause:3.10@sha256:00", "pause"),
    ],
)
def test_short_names(image: str, name: str) -> None:
    assert short_name(image) == name


@pytest.mark.parametrize(
    ("image", "command", "args", "machine", "runs"),
    [
        ("nginx", ["curl"], ["-v"], PLAIN, Program("/usr/bin/curl", ("-v",))),
        ("nginx", ["/opt/tool"], [], PLAIN, Program("/opt/tool")),
        ("busybox:1.36", ["sh", "-c", "wget x"], [], BUSY, Program("/.busybox/sh", ("-c", "wget x"), "sh")),
        ("alpine", ["/usr/bin/wget"], ["x"], BUSY, Program("/.busybox/wget", ("x",), "/usr/bin/wget")),
        ("busybox", [], ["sleep", "9"], BUSY, Program("/.busybox/sleep", ("9",), "sleep")),
        ("busybox", [], [], BUSY, Program("/.busybox/sh", name="sh")),
        ("busybox", ["/opt/tool"], [], BUSY, Program("/opt/tool")),
        ("busybox", ["python3"], [], BUSY, Program("/usr/bin/python3")),
        ("busybox", [], [], PLAIN, Program("/bin/sh")),
        ("debian:12", [], ["curl", "x"], BUSY, Program("/usr/bin/curl", ("x",))),
        ("curlimages/curl:8", [], ["-s", "web"], BUSY, Program("/usr/bin/curl", ("-s", "web"))),
        ("curlimages/curl", [], ["web"], BUSY, Program("/usr/bin/curl", ("web",))),
        ("curlimages/curl", [], ["curl", "web"], BUSY, Program("/usr/bin/curl", ("web",))),
        ("curlimages/curl", [], ["sh"], BUSY, Program("/bin/sh")),
        ("curlimages/curl", [], [], BUSY, Program("/usr/bin/curl")),
        ("radial/busyboxplus:curl", [], [], BUSY, Program("/bin/sh")),
        ("nicolaka/netshoot", [], ["curl", "web"], BUSY, Program("/usr/bin/curl", ("web",))),
        ("wbitt/network-multitool", [], ["curl", "web"], BUSY, Program("/usr/bin/curl", ("web",))),
    ],
)
def test_programs_of_this_machine(
    image: str, command: list[str], args: list[str], machine: Machine, runs: Program
) -> None:
    assert resolve(image, command, args, machine) == runs


@pytest.mark.parametrize(
    ("image", "machine", "has"),
    [
        ("docker.io/library/busybox:1.36", BUSY, True),
        ("alpine", BUSY, True),
        ("debian", BUSY, False),
        ("busybox", PLAIN, False),
    ],
)
def test_which_images_have_all_of_busybox(image: str, machine: Machine, has: bool) -> None:
    assert has_applets(image, machine) == has


@pytest.mark.parametrize(
    ("image", "words", "machine", "bash"),
    [
        ("busybox", ["sh", "-c", "env"], BASH, "/usr/bin/bash"),
        ("alpine:3", ["/bin/ash"], BASH, "/usr/bin/bash"),
        ("busybox", ["env"], BASH, ""),
        ("busybox", ["sh"], BUSY, ""),
        ("debian", ["sh"], BASH, ""),
    ],
)
def test_bash_is_found_for_the_shell_of_busybox_only(image: str, words: list[str], machine: Machine, bash: str) -> None:
    program = resolve(image, words, [], machine)
    assert isinstance(program, Program)
    assert whole_shell(image, program, machine) == bash


def test_an_image_that_is_not_here_has_a_stand_in_and_its_args_are_ignored() -> None:
    assert resolve("nginx:1.27", [], [], PLAIN) == StandIn("nginx:1.27")
    assert resolve("redis", [], ["--appendonly", "yes"], PLAIN) == StandIn("redis")
    assert resolve("wbitt/network-multitool", [], [], PLAIN) == StandIn("wbitt/network-multitool")


@pytest.mark.parametrize(
    ("image", "command", "args"),
    [
        ("nginx", ["nginx", "-g"], []),
        ("nginx", ["/opt/none"], []),
        ("busybox", [], ["nothing"]),
        ("curlimages/curl", ["nothing"], []),
        ("busybox", ["/opt/sh"], []),
    ],
)
def test_a_command_that_is_not_here_is_an_error_and_never_a_stand_in(
    image: str, command: list[str], args: list[str]
) -> None:
    missing = resolve(image, command, args, BUSY)
    assert isinstance(missing, Missing)
    assert repr((command or args)[0]) in missing.message
    assert repr(image) in missing.message
    assert "install it here" in missing.message


def pod(*containers: Container, **labels: str) -> Pod:
    return Pod(metadata=ObjectMeta(name="p", namespace="shop", labels=labels), spec=PodSpec(containers=containers))


def service(*ports: ServicePort, namespace: str = "shop", **selector: str) -> Service:
    spec = ServiceSpec(selector=selector, ports=ports)
    return Service(metadata=ObjectMeta(name="s", namespace=namespace), spec=spec)


def tcp(*numbers: int) -> tuple[Port, ...]:
    return tuple(Port("TCP", number) for number in numbers)


WEB = Container(
    name="web",
    image="example/web",
    ports=(ContainerPort(container_port=8080, name="http"), ContainerPort(container_port=53, protocol="UDP")),
    readiness_probe=Probe(http_get=HTTPGetAction(port="http")),
    liveness_probe=Probe(tcp_socket=TCPSocketAction(port=9000)),
    startup_probe=Probe(tcp_socket=TCPSocketAction(port=1, host="10.0.0.1")),
)


def test_declared_and_probed_ports() -> None:
    assert stand_in_ports(pod(WEB), ["web"])["web"] == (*tcp(8080, 9000), Port("UDP", 53))


def test_a_grpc_probe_names_a_port() -> None:
    server = Container(name="a", image="shop/cart", readiness_probe=Probe(grpc=GRPCAction(port=7070)))
    assert stand_in_ports(pod(server), ["a"])["a"] == tcp(7070)


@pytest.mark.parametrize(
    ("image", "numbers"),
    [("nginx", (80,)), ("bitnami/redis:7", (6379,)), ("postgres", (5432,)), ("unheard-of", (80,)), ("pause", ())],
)
def test_what_an_image_is_known_for(image: str, numbers: tuple[int, ...]) -> None:
    assert stand_in_ports(pod(Container(name="a", image=image)), ["a"])["a"] == tcp(*numbers)


def test_target_ports_of_services_that_select_the_pod() -> None:
    ports = (
        ServicePort(port=80, target_port="http"),
        ServicePort(port=81, target_port=8081),
        ServicePort(port=82),
        ServicePort(port=83, target_port="absent"),
        ServicePort(port=84, target_port=8084, protocol="UDP"),
    )
    found = stand_in_ports(pod(WEB, app="web", tier="a"), ["web"], [service(*ports, app="web")])
    assert found["web"] == (*tcp(82, 8080, 8081, 9000), Port("UDP", 53), Port("UDP", 8084))


def test_services_that_do_not_select_the_pod_add_nothing() -> None:
    port = ServicePort(port=99)
    others = [service(port, app="db"), service(port), service(port, namespace="other", app="web")]
    assert Port("TCP", 99) not in stand_in_ports(pod(WEB, app="web"), ["web"], others)["web"]


def test_no_port_of_a_pod_is_given_twice() -> None:
    first, second = Container(name="a", image="x"), Container(name="b", image="y")
    program = Container(name="c", image="busybox", ports=(ContainerPort(container_port=7),))
    services = [service(ServicePort(port=7), ServicePort(port=8), app="web")]
    found = stand_in_ports(pod(program, first, second, app="web"), ["a", "b"], services)
    assert found == {"a": tcp(8, 80), "b": ()}
