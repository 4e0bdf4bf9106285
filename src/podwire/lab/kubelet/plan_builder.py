"""Builds the plan for a pod's shim from the pod and the objects that it refers to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from podwire.kube.core import Container, Pod
from podwire.lab.container.plan import ContainerPlan, PodPlan, Refuse, replace_file
from podwire.lab.images.environment import ConfigurationError
from podwire.lab.images.resolver import Resolution
from podwire.lab.kubelet import pod_events, pod_plan, volumes
from podwire.lab.kubelet.empty_dir import EmptyDirs
from podwire.lab.kubelet.node_context import Node
from podwire.lab.kubelet.pod_events import PodEvent
from podwire.lab.kubelet.pod_plan import PodPlace
from podwire.lab.kubelet.resolv_conf import kernel_hostname
from podwire.lab.shim.lifecycle import Waiting

CONFIG_ERROR = "CreateContainerConfigError"


@dataclass(frozen=True, slots=True)
class BuiltPlan:
    """A plan, what each image resolves to, and what keeps containers from being tried, by container."""

    plan: PodPlan
    found: Mapping[str, Resolution] = field(default_factory=dict)
    troubles: Mapping[str, Waiting] = field(default_factory=dict)

    def events(self, pod: Pod, before: PodPlan | None, running: Mapping[str, str]) -> list[PodEvent]:
        """Return the events of changes since the plan before. `running` has the image ids of containers that run."""
        known = {entry.name: entry for entry in before.containers} if before is not None else {}
        events = []
        for container in pod_plan.ordered(pod):
            entry = next(entry for entry in self.plan.containers if entry.name == container.name)
            if known.get(container.name) == entry:
                continue
            trouble = self.troubles.get(container.name)
            found = self.found.get(container.name)
            runs = running.get(container.name, "")
            if found is not None and runs not in {"", found.image_id}:
                events.append(pod_events.moved(container.name, container.image, runs, found.image_id))
            elif trouble is not None:
                events.append(pod_events.untried(container.name, trouble))
            elif found is not None and not isinstance(found.program, Refuse):
                events.append(pod_events.pulled(container.name, container.image, found.image_id, found.stand_in))
        return events


def provide_files(
    node: Node,
    pod: Pod,
    folder: Path,
    addresses: tuple[str, ...],
    tokens: Mapping[tuple[str, int], str],
    empty_dirs: EmptyDirs,
) -> None:
    """Provide the volumes and the files of /etc in the pod's folder. Raises ConfigurationError."""
    etc = pod_plan.etc_folder(folder)
    etc.mkdir(exist_ok=True)
    for name, text in node.names.files(pod, addresses).items():
        if not (etc / name).exists():  # containers may have changed it since
            replace_file(etc / name, text.encode())
    volumes.provide(folder, pod, replace(node.sources(pod, addresses), tokens=tokens), node.files, empty_dirs)


def build_plan(node: Node, pod: Pod, folder: Path, addresses: tuple[str, ...]) -> BuiltPlan:
    """Build the plan from the current objects. A container that cannot be configured is in it as a refusal."""
    sources = node.sources(pod, addresses)
    services = node.services(pod.metadata.namespace)
    links = node.objects.links(pod.metadata.namespace) if pod.spec.enable_service_links else {}
    troubles: dict[str, Waiting] = {}
    expanded: dict[str, tuple[Container, dict[str, str]]] = {}
    for container in pod_plan.ordered(pod):
        try:
            expanded[container.name] = pod_plan.expanded(pod, container, sources, node.machine, links)
        except ConfigurationError as error:
            troubles[container.name] = Waiting(reason=CONFIG_ERROR, message=str(error))
    containers = [container for container, _ in expanded.values()]
    found = node.resolver(pod, containers, services, addresses)
    troubles |= {
        name: Waiting(reason=entry.trouble, message=entry.program.message)
        for name, entry in found.items()
        if entry.trouble and isinstance(entry.program, Refuse)
    }
    network = node.network if pod.spec.host_network else node.pins / pod.metadata.uid
    place = PodPlace(folder, network, kernel_hostname(pod, node.names.domain, node.name), node.files)
    plans: dict[str, ContainerPlan] = {}
    for container in pod_plan.ordered(pod):
        if container.name in expanded:
            values = expanded[container.name][1]
            try:
                plans[container.name] = pod_plan.container_plan(
                    pod, container, found[container.name], values, place, node.machine
                )
            except ConfigurationError as error:
                troubles[container.name] = Waiting(reason=CONFIG_ERROR, message=str(error))
    entries = [
        plans.get(container.name) or _refused(pod, container, troubles[container.name])
        for container in pod_plan.ordered(pod)
    ]
    return BuiltPlan(pod_plan.pod_plan(pod, place, entries), found, troubles)


def _refused(pod: Pod, container: Container, trouble: Waiting) -> ContainerPlan:
    return ContainerPlan(
        name=container.name,
        program=Refuse(message=trouble.message),
        restart=container.restart_policy or "OnFailure",
        init=container in pod.spec.init_containers,
        ephemeral=container in pod.spec.ephemeral_containers,
    )
