"""An attachment: one interface of one container, with the names and addresses that follow from it.

The words are those of the CNI specification 1.1.0 (github.com/containernetworking/cni, SPEC.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from podwire.kernel.elements import IPAddress

LINK_PREFIX = "pw"
"""Every node-side link of a pod begins with this; rules match `iifname "pw*"`."""


class AttachmentKey(msgspec.Struct, frozen=True, order=True):
    """What CNI knows an attachment by: the container's identifier and the interface's name in it."""

    container: str
    interface: str

    @property
    def host_interface(self) -> str:
        """The name of the link's end on the node: it follows from the key alone, so that DEL needs to know no more."""
        return LINK_PREFIX + self._digest[:12]

    @property
    def mac(self) -> str:
        """The hardware address of the pod's end: locally administered, the same whenever the link is made again."""
        return "02:" + bytes.fromhex(self._digest[12:22]).hex(":")

    @property
    def _digest(self) -> str:
        return hashlib.sha256(f"{self.container}/{self.interface}".encode()).hexdigest()


class PodIdentity(msgspec.Struct, frozen=True):
    """The pod that a container belongs to, as the runtime passes it in CNI_ARGS; empty where it does not."""

    namespace: str = ""
    name: str = ""
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.name else "a container without a pod"


NO_POD = PodIdentity()


class Attachment(msgspec.Struct, frozen=True):
    """An interface that a pod has or is about to have. `netns` is the path of the pod's network namespace.

    Where an earlier plugin of the chain made it `adopted_mac` is the hardware address of its end in the pod; else it is
    empty.
    """

    key: AttachmentKey
    pod: PodIdentity
    netns: str
    addresses: tuple[IPAddress, ...]
    adopted_mac: str = ""

    @property
    def host_interface(self) -> str:
        """The name of the link's end on the node."""
        return self.key.host_interface

    @property
    def is_adopted(self) -> bool:
        """Whether an earlier plugin of the chain made the link."""
        return bool(self.adopted_mac)

    @property
    def mac(self) -> str:
        """The hardware address of the pod's end: locally administered, the same whenever the link is made again."""
        return self.adopted_mac or self.key.mac

    def address(self, version: int) -> IPAddress | None:
        """The address of one IP version."""
        return next((address for address in self.addresses if address.version == version), None)


ContainerLock = Callable[[str], AbstractAsyncContextManager[None]]
"""Holds the lock of a container, named by its identifier, inside an `async with` block."""


class Gate(Protocol):
    """Who must agree before a pod gets its network: the policies that hold for it.

    Both are idempotent: they are called again for the same attachment after a restart or a retry.
    """

    async def admit(self, attachment: Attachment) -> None:
        """Wait until everything that isolates this pod is in the kernel. Until then it has no network.

        Raises SinkError when the kernel refuses a part of it.
        """
        ...

    def obstacle(self, attachment: Attachment) -> str:
        """Return what `admit` or `release` waits for now, for an error message."""
        ...

    async def release(self, attachment: Attachment) -> None:
        """The pod's link is gone. Return when nothing refers to its addresses: they may be another pod's next."""
        ...
