"""The gate of a pod's network: closed until the rows of its policies are in the kernel."""

from __future__ import annotations

import socket

from podwire.kernel.link_end import LinkEnd
from podwire.kube.meta import NamespacedName
from podwire.pods.attachment import Attachment
from podwire.policy.policies import Policies


class PolicyGate:
    """No pod has a network before everything that isolates it is applied."""

    def __init__(self) -> None:
        self._policies: Policies | None = None

    def guard(self, policies: Policies) -> None:
        """These policies decide from now on."""
        self._policies = policies

    async def admit(self, attachment: Attachment) -> None:
        """Return when the pod's rows are applied."""
        pod, uid = identity(attachment)
        await self._required().admit(pod, uid, attachment.addresses, link_end(attachment))

    def obstacle(self, attachment: Attachment) -> str:
        """Return what the policies wait for before they admit the pod."""
        pod, uid = identity(attachment)
        return self._required().obstacle(pod, uid)

    async def forget(self, attachment: Attachment) -> None:
        """Return when no row names the pod's addresses."""
        pod, uid = identity(attachment)
        await self._required().forget(pod, uid, attachment.addresses)

    def _required(self) -> Policies:
        assert self._policies is not None, "guard() is called before CNI is served"
        return self._policies


def link_end(attachment: Attachment) -> LinkEnd | None:
    """The node's end of the pod's link, as it is now; None where it does not exist."""
    name = attachment.host_interface
    try:
        return LinkEnd(name, socket.if_nametoindex(name))
    except OSError:
        return None


def identity(attachment: Attachment) -> tuple[NamespacedName, str]:
    """The pod's name and uid, as its runtime passed them."""
    pod = attachment.pod
    return NamespacedName(pod.namespace, pod.name), pod.uid
