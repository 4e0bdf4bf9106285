"""The plan of a pod's containers, from the Pod object. Pure: what is missing or refused is a ConfigurationError."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from podwire.kube.core import Container, Pod, VolumeMount
from podwire.kube.services import Service
from podwire.lab.container import capabilities
from podwire.lab.container import passwd as accounts
from podwire.lab.container.plan import ContainerPlan, Execute, Identity, Mount, PodPlan, Program
from podwire.lab.container.process import DEFAULT_PATH
from podwire.lab.images import busybox, image_config
from podwire.lab.images.environment import ConfigurationError, Sources, expand, references, variables
from podwire.lab.images.image_config import ImageUser
from podwire.lab.images.manifest import RunConfig
from podwire.lab.images.resolver import Resolution
from podwire.lab.images.store import StoredImage
from podwire.lab.kubelet import host_path, volumes
from podwire.lab.kubelet.node_files import NodeFiles
from podwire.lab.kubelet.resolv_conf import hostname
from podwire.lab.shim.container_run import folder_of
from podwire.lab.shim.termination_message import TERMINATION_FILE

Resolver = Callable[[Pod, Sequence[Container], Iterable[Service], tuple[str, ...]], Mapping[str, Resolution]]
"""Finds what to run for each container, from the pod, its containers with `command` and `args` expanded, the Services,
and the pod's addresses."""


class Machine(msgspec.Struct, frozen=True):
    """Facts of a node that hold for all its pods: users, ids that exist, and the address of the API."""

    passwd: str
    user_map: str
    group_map: str
    api_host: str
    api_port: int = 443


class PodPlace(msgspec.Struct, frozen=True):
    """Where one pod lives: its folder, its network, and its node's files for hostPath volumes."""

    folder: Path
    network: Path
    hostname: str
    node_files: NodeFiles


def etc_folder(pod_folder: Path) -> Path:
    """Where the files are that all containers of a pod have in /etc."""
    return pod_folder / "etc"


def ordered(pod: Pod) -> tuple[Container, ...]:
    """All containers in the order of their start; ephemeral ones, which come at any time, last."""
    return (*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers)


def expanded(
    pod: Pod, container: Container, sources: Sources, machine: Machine, links: Mapping[str, str] = MappingProxyType({})
) -> tuple[Container, dict[str, str]]:
    """The container with `$(NAME)` replaced in command and args, and its variables. `links` name Services."""
    values = variables(pod, container, sources, {**links, **_base(pod, container, machine)})
    command = tuple(expand(word, values) for word in container.command)
    args = tuple(expand(word, values) for word in container.args)
    return msgspec.structs.replace(container, command=command, args=args), values


def pod_plan(pod: Pod, place: PodPlace, containers: Iterable[ContainerPlan]) -> PodPlan:
    """The plan of a pod from those of its containers."""
    return PodPlan(
        uid=pod.metadata.uid,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        hostname=place.hostname,
        network=str(place.network),
        containers=tuple(containers),
    )


def container_plan(
    pod: Pod, container: Container, found: Resolution, values: Mapping[str, str], place: PodPlace, machine: Machine
) -> ContainerPlan:
    """The plan of one container. Raises ConfigurationError."""
    init, ephemeral = container in pod.spec.init_containers, container in pod.spec.ephemeral_containers
    who = identity(pod, container, machine, found.image)
    config = found.image.config if found.image is not None else RunConfig()
    base = {
        "HOME": accounts.home(_passwd(machine, found.image), who.user),
        "PATH": busybox.path(DEFAULT_PATH, first=found.applets_first) if found.applets else DEFAULT_PATH,
    }
    links = (busybox.mount(found.applets),) if found.applets else ()
    environment = {**base, **image_config.environment(config), **values}
    return ContainerPlan(
        name=container.name,
        program=_program(found, environment),
        environment=environment,
        folder=container.working_dir or config.working_dir or "/",
        identity=who,
        mounts=(*links, *found.mounts, *_mounts(pod, container, values, place), *_termination_file(container, place)),
        restart="Never" if ephemeral else _restart(pod, container, init=init),
        init=init,
        ephemeral=ephemeral,
        target=container.target_container_name,
        gated=init and container.restart_policy == "Always" and container.startup_probe is not None,
        terminal=container.tty and not found.stand_in,
        stdin=container.stdin or bool(found.stand_in),  # a stand-in reads further ports from its input
        stdin_once=container.stdin_once and not found.stand_in,
        read_only_root=container.security_context.read_only_root_filesystem,
        grace_seconds=pod.spec.termination_grace_period_seconds,
        image_id=found.image_id,
        image_root=found.image_root,
        stop_signal=image_config.stop_signal(config),
        message_from_log=container.termination_message_policy == "FallbackToLogsOnError",
    )


def _program(found: Resolution, names: Iterable[str]) -> Program:
    """Return what runs: bash as `sh` where busybox's shell would not pass on a variable of such a name."""
    program = found.program
    if not found.bash or not isinstance(program, Execute) or all(n.isidentifier() and n.isascii() for n in names):
        return program
    return Execute(arguments=("sh", *program.arguments[1:]), file=found.bash)


def _restart(pod: Pod, container: Container, *, init: bool) -> str:
    """Init containers run until they succeed, unless the pod never restarts; one with Always is a sidecar."""
    if not init:
        return pod.spec.restart_policy
    if container.restart_policy == "Always":
        return "Always"
    return "Never" if pod.spec.restart_policy == "Never" else "OnFailure"


def identity(pod: Pod, container: Container, machine: Machine, image: StoredImage | None = None) -> Identity:
    """Who the container's processes are; the container's own settings win over the pod's. Raises ConfigurationError."""
    own, shared = container.security_context, pod.spec.security_context
    requested = own.run_as_user if own.run_as_user is not None else shared.run_as_user
    who = _user(requested, machine, image)
    user = who.user
    group = _first(own.run_as_group, shared.run_as_group, who.group)
    groups = (*who.groups, *shared.supplemental_groups, *(() if shared.fs_group is None else (shared.fs_group,)))
    if own.privileged:
        raise ConfigurationError("securityContext.privileged: a world gives no container the rights of the machine")
    strict = own.run_as_non_root if own.run_as_non_root is not None else shared.run_as_non_root
    if strict:
        _check_not_root(who, image)
    _check_mapped("runAsUser" if requested is not None else "the image's user", user, machine.user_map)
    for number in (group, *groups):
        _check_mapped("group", number, machine.group_map)
    try:
        held = capabilities.choose(own.capabilities.add, own.capabilities.drop)
    except capabilities.CapabilityError as error:
        raise ConfigurationError(str(error)) from None
    return Identity(
        user=user,
        group=group,
        groups=groups,
        capabilities=tuple(sorted(held)),
        no_new_privileges=not own.allow_privilege_escalation,
    )


def _passwd(machine: Machine, image: StoredImage | None) -> str:
    return machine.passwd if image is None else image.passwd


def _user(requested: int | None, machine: Machine, image: StoredImage | None) -> ImageUser:
    if image is None:
        return ImageUser(requested or 0, accounts.primary_group(machine.passwd, requested or 0), ())
    return image_config.image_user(image) if requested is None else image_config.by_number(image, requested)


def _check_not_root(who: ImageUser, image: StoredImage | None) -> None:
    """Refuse as upstream's kubelet does, which does not read the image's files."""
    if who.name:
        raise ConfigurationError(
            f"container has runAsNonRoot and image has non-numeric user ({who.name}), cannot verify user is non-root"
        )
    if who.user == 0:
        whose = "would run" if image is None else "image will run"
        raise ConfigurationError(f"container has runAsNonRoot and {whose} as root: set securityContext.runAsUser")


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def _check_mapped(field_name: str, number: int, id_map: str) -> None:
    if not accounts.mapped(id_map, number):
        raise ConfigurationError(
            f"securityContext: {field_name} {number} does not exist in this world: its user may use one id only; "
            "add a range for that user to /etc/subuid and /etc/subgid, install newuidmap (package uidmap), restart the"
            " world"
        )


def _mounts(pod: Pod, container: Container, values: Mapping[str, str], place: PodPlace) -> Iterable[Mount]:
    taken = {mount.mount_path.rstrip("/") for mount in container.volume_mounts}
    for name in ("hosts", "resolv.conf"):
        if f"/etc/{name}" not in taken:
            yield Mount(source=str(etc_folder(place.folder) / name), target=f"/etc/{name}")
    kinds = {volume.name: volume for volume in pod.spec.volumes}
    for mount in container.volume_mounts:
        if mount.name not in kinds:
            raise ConfigurationError(f'volumeMounts: the pod has no volume "{mount.name}"')
        sub_path, source = _sub_path(mount, values), kinds[mount.name].host_path
        if source is not None:
            yield from host_path.mounts(
                place.node_files, source.path, mount.mount_path, sub_path, read_only=mount.read_only
            )
            continue
        yield Mount(
            source=str(volumes.folder_of(place.folder, mount.name)),
            target=mount.mount_path,
            sub_path=sub_path,
            read_only=mount.read_only or kinds[mount.name].empty_dir is None,
        )


def _termination_file(container: Container, place: PodPlace) -> Iterable[Mount]:
    """The file that a container leaves its termination message in."""
    path = container.termination_message_path
    if path and all(mount.mount_path != path for mount in container.volume_mounts):
        source = folder_of(place.folder, container.name) / TERMINATION_FILE
        yield Mount(source=str(source), target=posixpath.join("/", path))


def _sub_path(mount: VolumeMount, values: Mapping[str, str]) -> str:
    """Return the path within the volume, with the variables of subPathExpr. Raises ConfigurationError."""
    if not mount.sub_path_expr:
        return mount.sub_path
    for name in references(mount.sub_path_expr):
        if name not in values:
            raise ConfigurationError(f'missing value for "{name}"')
    path = expand(mount.sub_path_expr, values)
    if path.startswith("/"):
        raise ConfigurationError(f"error SubPath `{path}` must not be an absolute path")
    if ".." in path.split("/"):
        raise ConfigurationError(f"unable to provision SubPath `{path}`: must not contain '..'")
    return path


def _base(pod: Pod, container: Container, machine: Machine) -> dict[str, str]:
    """Return the variables of every container, as upstream: its host name, and the address of the API."""
    host = f"[{machine.api_host}]" if ":" in machine.api_host else machine.api_host
    address = f"tcp://{host}:{machine.api_port}"
    values = {
        "HOSTNAME": hostname(pod, pod.spec.node_name),
        "KUBERNETES_SERVICE_HOST": machine.api_host,
        "KUBERNETES_SERVICE_PORT": str(machine.api_port),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(machine.api_port),
        "KUBERNETES_PORT": address,
        f"KUBERNETES_PORT_{machine.api_port}_TCP": address,
        f"KUBERNETES_PORT_{machine.api_port}_TCP_PROTO": "tcp",
        f"KUBERNETES_PORT_{machine.api_port}_TCP_PORT": str(machine.api_port),
        f"KUBERNETES_PORT_{machine.api_port}_TCP_ADDR": machine.api_host,
    }
    if not accounts.mapped(machine.user_map, 1):
        values["TAR_OPTIONS"] = "--no-same-owner"  # for kubectl cp: root's tar gives files to owners that are not here
    return {**values, "TERM": "xterm"} if container.tty else values
