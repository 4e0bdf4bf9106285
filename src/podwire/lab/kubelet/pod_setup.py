"""From a pod to what its shim runs: connect the sandbox, provide its files, write the plan, apply changes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import msgspec

from podwire.lab.container.plan import PLAN_FILE, PodPlan, read_plan, write_plan
from podwire.lab.images.environment import ConfigurationError
from podwire.lab.kubelet.cni_client import CniError
from podwire.lab.kubelet.plan_builder import Composition, compose, provide_files
from podwire.lab.kubelet.pod_context import PodContext
from podwire.lab.kubelet.pod_events import Notice
from podwire.lab.kubelet.pod_tokens import PodTokens
from podwire.lab.shim import messages
from podwire.lab.shim.client import ShimError
from podwire.lab.shim.container_run import folder_of
from podwire.lab.standin.port import Port
from podwire.lab.standin.server import control_line

FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 10.0


class PodSetup:
    """Sets up one pod. `composition` is the newest plan with what it was made of; None before the first."""

    def __init__(self, context: PodContext) -> None:
        self.composition: Composition | None = None
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
        while not context.sandbox.ready:
            try:
                await context.sandbox.connect(context.node.last_group, context.node.addresses)
            except (CniError, OSError) as error:
                message = f"Failed to create pod sandbox: {error}"
                context.emit(Notice("FailedCreatePodSandBox", message, warning=True))
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
            context.emit_once(Notice("FailedMount", f"MountVolume.SetUp failed: {trouble}", warning=True))
        try:
            provide_files(node, pod, folder, addresses, self._tokens.texts, context.sandbox.empty_dirs)
        except ConfigurationError as error:
            context.emit_once(Notice("FailedMount", str(error), warning=True))
            return
        self.composition = compose(node, pod, folder, addresses)
        self._add_ports(self.composition)
        if self.composition.plan != self.plan:
            await self._apply(self.composition)

    async def _apply(self, composition: Composition) -> None:
        context = self._context
        running = {name: record.image_id for name, record in context.records.items() if context.runs(name)}
        for notice in composition.notices(context.pod, self.plan, running):
            context.emit_once(notice)
        write_plan(context.sandbox.folder, composition.plan)
        with contextlib.suppress(OSError, ShimError):  # a shim that is not there yet reads it when it starts
            await context.shim.ask(messages.Apply())
        self.plan = composition.plan

    def _add_ports(self, composition: Composition) -> None:
        """Have running stand-ins listen on the target ports of new Services."""
        for name, found in composition.found.items():
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
