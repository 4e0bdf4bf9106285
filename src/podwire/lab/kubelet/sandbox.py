"""The sandbox of one pod on a node: its folder, its network namespace and its attachment to the network."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import shutil
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from podwire.kernel import namespaces, sysctl
from podwire.lab.container.plan import Struct, replace_file
from podwire.lab.kubelet.cni_client import Attachment, CniError, Network
from podwire.lab.kubelet.empty_dir import EmptyDirs
from podwire.lab.kubelet.pod_logs import PodLogs

log = logging.getLogger(__name__)

SANDBOX_FILE = "sandbox.json"
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


class Failure(Struct, frozen=True, kw_only=True):
    """Why the node ended a pod, as its status shows it. With `disrupts` the reason is the node, not the pod itself."""

    reason: str
    message: str
    disrupts: bool = False


class SandboxRecord(Struct, frozen=True, kw_only=True):
    """The persistent record of a sandbox. `result` is the JSON of CNI's ADD, empty until it succeeded.

    A retired one has no network any more: its pod has ended for good, only its logs and its end are kept. With a
    `failure` the node ended the pod, or is about to.
    """

    namespace: str
    name: str
    uid: str
    started: str
    host_network: bool = False
    addresses: tuple[str, ...] = ()
    result: str = ""
    retired: bool = False
    failure: Failure | None = None


def read_record(folder: Path) -> SandboxRecord | None:
    """Return the record in a pod's folder; None where there is none that can be read."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((folder / SANDBOX_FILE).read_bytes(), type=SandboxRecord)
    return None


class Sandbox:
    """Creates and removes one pod's sandbox. `pin` is where its network namespace is kept, for others than hostNetwork.

    `logs` is where the node shows the pod's logs, `empty_dirs` has its emptyDir volumes; links in the pod's folder lead
    there.
    """

    def __init__(
        self, folder: Path, pin: Path, record: SandboxRecord, network: Network, places: tuple[PodLogs, EmptyDirs]
    ) -> None:
        self.folder = folder
        self.logs, self.empty_dirs = places
        self.record = read_record(folder) or record
        self._pin = pin
        self._network = network

    @property
    def ready(self) -> bool:
        """Whether the pod is connected."""
        return bool(self.record.addresses) and not self.record.retired

    @property
    def network(self) -> Path | None:
        """The file of the pod's network namespace; None where it has its node's."""
        return None if self.record.host_network else self._pin

    @property
    def _attachment(self) -> Attachment:
        record = self.record
        return Attachment(record.uid, self._pin, record.namespace, record.name, record.uid)

    def prepare(self) -> None:
        """Make the folder: from now on a restarted kubelet finds the pod."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.logs.provide(self.folder)
        self._save(self.record)

    async def connect(
        self, last_group: int, node_addresses: tuple[str, ...], parameters: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Make the network namespace and ADD it. `parameters` are written below its /proc/sys.

        Raises CniError and OSError; what was half made is undone.
        """
        if self.record.host_network:
            self._save(msgspec.structs.replace(self.record, addresses=node_addresses))
            return
        if not self._pinned():
            namespaces.new_network_namespace(self._pin)
            try:
                _prepare_network(self._pin, last_group, parameters)
            except OSError:
                namespaces.remove_network_namespace(self._pin)
                raise
        try:
            attached = await self._network.add(self._attachment)
        except CniError:
            await self.disconnect()  # every ADD is followed by a DEL, a failed one too (SPEC.md)
            raise
        self._save(msgspec.structs.replace(self.record, addresses=attached.addresses, result=attached.raw.decode()))

    async def disconnect(self) -> None:
        """DEL and remove the namespace. What the plugin cannot undo is left to GC."""
        if self.record.host_network:
            return
        try:
            await self._network.delete(self._attachment, self.record.result.encode())
        except CniError as error:
            log.warning("pod %s/%s: %s; the next GC cleans up", self.record.namespace, self.record.name, error)
        namespaces.remove_network_namespace(self._pin)

    def fail(self, failure: Failure) -> None:
        """Write down that the node ends the pod; the first reason counts."""
        if self.record.failure is None:
            self._save(msgspec.structs.replace(self.record, failure=failure))

    async def retire(self) -> None:
        """The pod has ended for good: release its network and its emptyDir volumes, keep its folder."""
        if not self.record.retired:
            await self.disconnect()
            self.empty_dirs.remove()
            self._save(msgspec.structs.replace(self.record, retired=True))

    async def remove(self) -> None:
        """Remove everything of the pod."""
        if not self.record.retired:
            await self.disconnect()
        self.logs.remove()
        self.empty_dirs.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _pinned(self) -> bool:
        return self._pin.exists()

    def _save(self, record: SandboxRecord) -> None:
        self.record = record
        replace_file(self.folder / SANDBOX_FILE, msgspec.json.encode(record))


def _prepare_network(pin: Path, last_group: int, parameters: Mapping[str, str]) -> None:
    """Enable loopback, low ports and ping for every user (defaults of containerd 2), and write the parameters."""
    with namespaces.inside_network(pin):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            flags = struct.unpack("16sh", fcntl.ioctl(link, _SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0)))[1]
            fcntl.ioctl(link, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP))
        sysctl.write({"net/ipv4/ip_unprivileged_port_start": 0, "net/ipv4/ping_group_range": f"0\t{last_group}"})
        sysctl.write(parameters)
