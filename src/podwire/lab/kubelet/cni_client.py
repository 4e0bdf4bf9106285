"""CNI as a container runtime calls it: execute the plugins of a configuration list with real environment and JSON.

Source: CNI specification 1.1.0. One plugin after the other, each with the result of the one before; DEL in reverse; DEL
and CHECK get the result of the whole ADD. GC runs alone: the caller sees to that.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from podwire.lab.base import run_program
from podwire.pods.runtime.cni import Result

VERSION = "1.1.0"
INTERFACE = "eth0"
TIMEOUT_SECONDS = 30.0
TRY_AGAIN_LATER = 11


class CniError(Exception):
    """A plugin failed. `code` is that of its error (SPEC.md, "Error"), 0 where it ended without one."""

    def __init__(self, plugin: str, code: int, message: str) -> None:
        super().__init__(f"{plugin}: {message}")
        self.code = code


class Attachment(msgspec.Struct, frozen=True):
    """A pod's place in a network: the id that DEL will be called with, its network namespace and its names."""

    container_id: str
    network: Path
    namespace: str
    name: str
    uid: str

    @property
    def arguments(self) -> str:
        """CNI_ARGS as Kubernetes' runtimes set it."""
        return (
            f"IgnoreUnknown=1;K8S_POD_NAMESPACE={self.namespace};K8S_POD_NAME={self.name};"
            f"K8S_POD_INFRA_CONTAINER_ID={self.container_id};K8S_POD_UID={self.uid}"
        )


class Attached(msgspec.Struct, frozen=True):
    """What ADD made, as values and as the JSON that later calls are given back."""

    result: Result
    raw: bytes

    @property
    def addresses(self) -> tuple[str, ...]:
        """The pod's addresses without their prefix lengths, in the order of the result."""
        return tuple(entry.address.partition("/")[0] for entry in self.result.ips)


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""
    details: str = ""


class Network:
    """One network configuration list and the folder of its plugins."""

    def __init__(self, configuration: Path, plugins: Path) -> None:
        self._configuration = configuration
        self._folder = plugins

    async def add(self, attachment: Attachment) -> Attached:
        """Connect a pod; raises CniError."""
        raw = b""
        for plugin in self._plugins():
            raw = await self._call("ADD", plugin, attachment, previous=raw)
        try:
            return Attached(msgspec.json.decode(raw, type=Result), raw)
        except msgspec.MsgspecError as error:
            raise CniError("ADD", 6, f"the result cannot be read: {error}") from None

    async def check(self, attachment: Attachment, raw: bytes) -> None:
        """Run CHECK: raise CniError where the attachment is not as it was made."""
        for plugin in self._plugins():
            await self._call("CHECK", plugin, attachment, previous=raw)

    async def delete(self, attachment: Attachment, raw: bytes) -> None:
        """Disconnect a pod; no error if it is not connected. Raises CniError."""
        for plugin in reversed(self._plugins()):
            await self._call("DEL", plugin, attachment, previous=raw)

    async def status(self) -> None:
        """Return when the network can take pods; raises CniError where it cannot."""
        for plugin in self._plugins():
            await self._call("STATUS", plugin, None)

    async def collect(self, valid: Iterable[str]) -> None:
        """Run GC: remove everything but these containers' attachments. Raises CniError."""
        attachments = [{"containerID": container, "ifname": INTERFACE} for container in valid]
        for plugin in self._plugins():
            await self._call("GC", {**plugin, "cni.dev/valid-attachments": attachments}, None)

    def _plugins(self) -> list[dict[str, Any]]:
        """The plugins' configurations with what the runtime adds; keys that are not ours stay as they are."""
        try:
            whole = msgspec.json.decode(self._configuration.read_bytes())
            common = {"cniVersion": VERSION, "name": whole["name"]}
            return [{**plugin, **common} for plugin in whole["plugins"]]
        except (OSError, msgspec.MsgspecError, LookupError, TypeError) as error:
            raise CniError("network configuration", 7, f"{self._configuration}: {error}") from None

    async def _call(
        self, command: str, plugin: dict[str, Any], attachment: Attachment | None, *, previous: bytes = b""
    ) -> bytes:
        environment = {"CNI_COMMAND": command, "CNI_PATH": str(self._folder)}
        if attachment is not None:
            environment |= {
                "CNI_CONTAINERID": attachment.container_id,
                "CNI_NETNS": str(attachment.network),
                "CNI_IFNAME": INTERFACE,
                "CNI_ARGS": attachment.arguments,
            }
        if previous:
            plugin = {**plugin, "prevResult": msgspec.Raw(previous)}
        name = str(plugin["type"])
        try:
            outcome = await run_program.run(
                [str(self._folder / name)],
                environment=environment,
                data=msgspec.json.encode(plugin),
                timeout_seconds=TIMEOUT_SECONDS,
            )
        except TimeoutError:
            raise CniError(name, TRY_AGAIN_LATER, f"{command} did not end within {TIMEOUT_SECONDS:g} s") from None
        except OSError as error:
            raise CniError(name, 5, f"{self._folder / name}: {error.strerror}") from None
        if outcome.status:
            raise _error(name, command, outcome)
        return outcome.output


def _error(name: str, command: str, outcome: run_program.Outcome) -> CniError:
    """Return the plugin's error, or its output where it ended without one."""
    try:
        error = msgspec.json.decode(outcome.output, type=_Error)
    except msgspec.MsgspecError:
        output = (outcome.errors or outcome.output).decode("utf-8", "replace").strip()[-500:]
        return CniError(name, 0, f"{command} ended with {outcome.status}: {output}")
    return CniError(name, error.code, error.msg + (f" ({error.details})" if error.details else ""))
