"""Pods as far as podwire reports what they run. Pure."""

from __future__ import annotations

import msgspec

from podwire.kube.core import PodIP
from podwire.kube.kinds import Kind
from podwire.kube.meta import Object, Struct
from podwire.lab.kubelet.pod_events import MACHINE

STAND_IN_PREFIX = "podwire://stand-in/"
IN_HOUSE_PREFIX = "podwire://in-house/"

ON_THEIR_WAY = frozenset({"ContainerCreating", "PodInitializing"})


class WaitingReport(Struct, frozen=True):
    """Why a container does not run."""

    reason: str = ""
    message: str = ""


class StateReport(Struct, frozen=True):
    """The part of a container's state that is shown."""

    waiting: WaitingReport | None = None


class ContainerReport(Struct, frozen=True):
    """The part of a containerStatus that shows what really runs."""

    name: str = ""
    image: str = ""
    image_id: str = msgspec.field(default="", name="imageID")
    restart_count: int = 0
    state: StateReport = StateReport()

    @property
    def runs(self) -> str:
        """What runs for the image, or why nothing does."""
        if self.state.waiting is not None and self.state.waiting.reason not in ON_THEIR_WAY:
            return f"nothing: {self.state.waiting.reason}"
        if self.image_id.startswith(STAND_IN_PREFIX):
            return f"stand-in for {self.image}"
        if self.image_id.startswith(MACHINE):
            return "this machine's programs"
        return "podwire's own program" if self.image_id.startswith(IN_HOUSE_PREFIX) else f"image {self.image}"


class PodReportStatus(Struct, frozen=True):
    """The part of a pod's status that is shown."""

    phase: str = ""
    pod_ips: tuple[PodIP, ...] = msgspec.field(default=(), name="podIPs")
    container_statuses: tuple[ContainerReport, ...] = ()


class PodReportSpec(Struct, frozen=True):
    """The part of a pod's spec that is shown."""

    node_name: str = ""


class PodReport(Object, frozen=True):
    """A pod as far as it is shown."""

    spec: PodReportSpec = PodReportSpec()
    status: PodReportStatus = PodReportStatus()

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """The images that are not on this machine and have a stand-in in their place."""
        return tuple(c.image for c in self.status.container_statuses if c.image_id.startswith(STAND_IN_PREFIX))


POD_REPORTS = Kind("v1", "Pod", "pods", PodReport)
