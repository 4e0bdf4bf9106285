"""What runs for a pod's containers on this machine: programs of the host, podwire's own images, stand-ins, errors."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from msgspec.structs import replace as replace_struct

from podwire.kube.core import Container, Pod
from podwire.kube.services import Service
from podwire.lab.container.plan import REPORT, Call, Execute, Mount, Program, Refuse
from podwire.lab.images import busybox as applets
from podwire.lab.images import image_config, resolution
from podwire.lab.images.errors import ImageError
from podwire.lab.images.store import Store, StoredImage
from podwire.lab.standin import server
from podwire.lab.standin.answers import StandInIdentity
from podwire.lab.standin.port import Port

NEVER_PULLED = "ErrImageNeverPull"
INVALID_NAME = "InvalidImageName"
"""Upstream's reasons (kubernetes `pkg/kubelet/images/types.go`)."""

STAND_IN_FUNCTION = "podwire.lab.standin.server:main_of_arguments"
VISIBLE = ("/usr/", "/bin/", "/sbin/")
"""Folders of the host in which a container sees programs."""


class InHouse(msgspec.Struct, frozen=True):
    """An image of podwire's own.

    Attributes:
        function: what runs, as "module:name".
        files: files of the world, by their path in the container.

    """

    function: str
    files: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Resolution:
    """What runs for a container's image. `stand_in` describes what listens in its place; empty without a stand-in.

    `image` and `image_root`: the image of the store and the folder of its files, where it is loaded. `trouble` is
    upstream's reason why it cannot be tried, beside the refusal's message. `applets` is the node's folder of links to
    busybox, for a container of the machine's programs; with `applets_first` they come before those on its PATH.
    `mounts` are files of podwire's own images. `bash` may run in place of busybox's shell (`resolution.whole_shell`).
    """

    program: Program
    image_id: str
    stand_in: str = ""
    ports: tuple[Port, ...] = ()
    image: StoredImage | None = None
    image_root: str = ""
    trouble: str = ""
    applets: str = ""
    applets_first: bool = False
    mounts: tuple[Mount, ...] = ()
    bash: str = ""


def this_machine() -> resolution.Machine:
    """What containers on this machine can run."""
    machine = resolution.Machine(_is_program)
    busybox = machine.find("busybox")
    if busybox is None:
        return machine
    listing = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=False).stdout
    return msgspec.structs.replace(machine, busybox_applets=frozenset(listing.split()))


def provide_applets(machine: resolution.Machine, folder: Path) -> None:
    """Make the node's folder of links to busybox, where the machine has one."""
    busybox = machine.find("busybox")
    if busybox is None or not machine.busybox_applets:
        return

    def usage(name: str) -> str:
        shown = subprocess.run([busybox, name, "--help"], capture_output=True, text=True, check=False)
        return shown.stdout + shown.stderr

    scripts = applets.replaced(machine.busybox_applets, usage)
    applets.provide(folder, busybox, machine.busybox_applets, scripts)


def _is_program(path: str) -> bool:
    return path.startswith(VISIBLE) and os.path.isfile(path) and os.access(path, os.X_OK)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Finds what to run. `in_house` are podwire's own images.

    `applets` is the node's folder of links to busybox.
    """

    machine: resolution.Machine
    in_house: Mapping[str, InHouse]
    store: Store | None = None
    applets: str = ""

    def __call__(
        self, pod: Pod, containers: Sequence[Container], services: Iterable[Service], addresses: tuple[str, ...]
    ) -> Mapping[str, Resolution]:
        """Return what runs for each container, by its name."""
        debugging = {container.name for container in pod.spec.ephemeral_containers}
        found = {c.name: self._find_shell(c) if c.name in debugging else self._find(c) for c in containers}
        stand_ins = [name for name, entry in found.items() if isinstance(entry, resolution.StandIn)]
        ports = resolution.stand_in_ports(pod, stand_ins, services)
        return {
            name: replace(_stand_in(pod, name, entry.image, ports[name], addresses), applets=self._links)
            if isinstance(entry, resolution.StandIn)
            else entry
            for name, entry in found.items()
        }

    def _find_shell(self, container: Container) -> Resolution | resolution.StandIn:
        """For who debugs: an image that is not here gives the tools of this machine, as its name promises tools."""
        found = self._find(container)
        if not isinstance(found, resolution.StandIn):
            return found
        return self._find(replace_struct(container, command=container.args or self._shell))

    @property
    def _links(self) -> str:
        return self.applets if self.machine.busybox_applets else ""

    @property
    def _shell(self) -> tuple[str, ...]:
        return ("bash",) if self.machine.find("bash") else ("sh",)

    def _find(self, container: Container) -> Resolution | resolution.StandIn:
        if container.image in self.in_house:
            return _in_house(container, self.in_house[container.image])
        try:
            stored = self.store.find(container.image) if self.store is not None else None
        except ImageError as error:
            return Resolution(Refuse(message=str(error)), "", trouble=INVALID_NAME)
        if stored is not None and self.store is not None:
            return _from_store(container, stored, str(self.store.root(stored)))
        image_id = f"podwire://machine/{container.image}"
        match resolution.resolve(container.image, container.command, container.args, self.machine):
            case resolution.Program() as program:
                first = resolution.has_applets(container.image, self.machine)
                words = (program.name or program.file, *program.arguments)
                execute = Execute(arguments=words, file=program.file)
                bash = resolution.whole_shell(container.image, program, self.machine)
                return Resolution(execute, image_id, applets=self._links, applets_first=first, bash=bash)
            case resolution.Missing() as missing:
                words = (*container.command, *container.args)
                if _is_in_volume(container, words[0]):  # whether it is there is known when the container starts
                    return Resolution(Execute(arguments=words), image_id, applets=self._links)
                return Resolution(Refuse(message=missing.message, at_start=True), image_id)
            case resolution.StandIn() as stand_in:
                return _never_pulled(container) if container.image_pull_policy == "Never" else stand_in


def _is_in_volume(container: Container, program: str) -> bool:
    """Whether a program is named by a path below one of the container's volumes."""
    if "/" not in program:
        return False
    path = os.path.normpath(os.path.join(container.working_dir or "/", program))
    return any(path.startswith(f"{mount.mount_path.rstrip('/')}/") for mount in container.volume_mounts)


def _from_store(container: Container, image: StoredImage, root: str) -> Resolution:
    words = image_config.arguments(image.config, container.command, container.args)
    nothing = "no command specified: the image has neither ENTRYPOINT nor CMD, and the container no command"
    program = Execute(arguments=words) if words else Refuse(message=nothing)
    return Resolution(program, image.id, image=image, image_root=root)


def _never_pulled(container: Container) -> Resolution:
    message = (
        f'Container image "{container.image}" is not present with pull policy of Never: load it with'
        " 'podwire image load', or leave out imagePullPolicy to get a stand-in"
    )
    return Resolution(Refuse(message=message), "", trouble=NEVER_PULLED)


def _in_house(container: Container, image: InHouse) -> Resolution:
    """Arguments of podwire's own images all have the form `--name=value`."""
    image_id = f"podwire://in-house/{container.image}"
    arguments = {}
    for word in container.args:
        name, equals, value = word.partition("=")
        if not name.startswith("--") or not equals:
            return Resolution(Refuse(message=f"args {word!r}: {container.image} takes --name=value only"), image_id)
        arguments[name.removeprefix("--")] = value
    mounts = tuple(Mount(source=file, target=path, read_only=True) for path, file in image.files.items())
    return Resolution(Call(function=image.function, arguments=arguments), image_id, mounts=mounts)


def _stand_in(pod: Pod, name: str, image: str, ports: tuple[Port, ...], addresses: tuple[str, ...]) -> Resolution:
    identity = StandInIdentity(
        pod.metadata.namespace, pod.metadata.name, name, pod.spec.node_name, image, tuple(addresses)
    )
    listeners = ", ".join(f"{port.number}/{port.protocol}" for port in ports) or "no port"
    return Resolution(
        Call(function=STAND_IN_FUNCTION, arguments=server.arguments_of(identity, ports, REPORT), reports=True),
        image_id=f"podwire://stand-in/{image}",
        stand_in=f"a stand-in answers in its place on {listeners}",
        ports=ports,
    )
