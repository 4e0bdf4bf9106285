"""From a pod to what its shim runs: connect the sandbox, provide its files, write the plan, apply changes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import msgspec

from podwire.lab.container.plan import PLAN_FILE, PodPlan, read_plan, write_plan
from podwire.lab.images.environment import ConfigurationError
from podwire.lab.kubelet import sysctls
from podwire.lab.kubelet.cni_client import CniError
from podwire.lab.kubelet.plan_builder import BuiltPlan, build_plan, provide_files
from podwire.lab.kubelet.pod_context import PodContext
from podwire.lab.kubelet.pod_events import PodEvent
from podwire.lab.kubelet.pod_tokens import PodTokens
from podwire.lab.shim import messages
from podwire.lab.shim.client import ShimError
from podwire.lab.shim.container_run import folder_of
from podwire.lab.standin.port import Port
from podwire.lab.standin.server import control_line

FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 10.0


class PodSetup:
    """Sets up one pod. `built` is the newest plan with what it was made of; None before the first."""

    def __init__(self, context: PodContext) -> None:
        self.built: BuiltPlan | None = None
        self.plan: PodPlan | None = None
        self._context = context
        self._ports: dict[str, set[Port]] = {}
        self._tokens = PodTokens(context.node.client, context.poke)

    def resume(self) -> None:
        """Read the plan that an earlier kubelet wrote."""
        folder = self._context.sandbox.folder
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            if (folder / PLAN_FILE).exists():
                self.plan = read_plan(folder)

    def stop(self) -> None:
        """Refresh no tokens any more."""
        self._tokens.stop()

    async def connect(self) -> None:
        """Give the pod its network. Retries until it is connected."""
        context, delay = self._context, FIRST_RETRY_SECONDS
        parameters = sysctls.values(context.pod.spec.security_context.sysctls)
        while not context.sandbox.ready and not context.sandbox.record.failure:
            try:
                await context.sandbox.connect(context.node.last_group, context.node.addresses, parameters)
            except (CniError, OSError) as error:
                message = f"Failed to create pod sandbox: {error}"
                context.emit(PodEvent("FailedCreatePodSandBox", message, warning=True))
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_SECONDS)
        context.poke()

    async def configure(self) -> None:
        """Write the pod's files and plan, and have the shim apply a plan that changed."""
        context = self._context
        node, pod, folder, addresses = (
            context.node,
            context.pod,
            context.sandbox.folder,
            context.sandbox.record.addresses,
        )
        if trouble := await self._tokens.refresh(pod):
            context.emit_once(PodEvent("FailedMount", f"MountVolume.SetUp failed: {trouble}", warning=True))
        try:
            provide_files(node, pod, folder, addresses, self._tokens.texts, context.sandbox.empty_dirs)
        except ConfigurationError as error:
            context.emit_once(PodEvent("FailedMount", str(error), warning=True))
            return
        self.built = build_plan(node, pod, folder, addresses)
        self._add_ports(self.built)
        if self.built.plan != self.plan:
            await self._apply(self.built)

    async def _apply(self, built: BuiltPlan) -> None:
        context = self._context
        running = {name: record.image_id for name, record in context.records.items() if context.runs(name)}
        for event in built.events(context.pod, self.plan, running):
            context.emit_once(event)
        write_plan(context.sandbox.folder, built.plan)
        with contextlib.suppress(OSError, ShimError):  # a shim that is not there yet reads it when it starts
            await context.shim.request(messages.Apply())
        self.plan = built.plan

    def _add_ports(self, built: BuiltPlan) -> None:
        """Have running stand-ins listen on the target ports of new Services."""
        for name, found in built.found.items():
            record = self._context.records.get(name)
            if not found.stand_in or record is None or not self._context.runs(name):
                continue
            if record.image_id != found.image_id:  # it runs from an image whose name is gone
                continue
            known = self._ports.setdefault(name, set())
            fresh = set(found.ports) - known
            if fresh and _write_control(self._context.sandbox.folder, name, fresh):
                known |= fresh


def _write_control(folder: Path, name: str, ports: set[Port]) -> bool:
    """Return whether a stand-in could be given these ports."""
    with contextlib.suppress(OSError):
        control = os.open(folder_of(folder, name) / "stdin", os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(control, b"".join(map(control_line, sorted(ports))))
        finally:
            os.close(control)
        return True
    return False
