"""The gate of a pod's network: closed until its policies' and its egress gateway's rows are in the kernel.

An address is not given to it while the node's Envoy still takes that for an earlier pod.
"""

from __future__ import annotations

import socket

from podwire.agent.egress_gateways import EgressGateways
from podwire.agent.redirecting import Redirection
from podwire.kernel.link_end import LinkEnd
from podwire.kube.meta import NamespacedName
from podwire.pods.attachment import Attachment
from podwire.policy.policies import Policies


class PolicyGate:
    """No pod has a network before everything is applied that isolates it, or decides where it leaves the cluster."""

    def __init__(self) -> None:
        self._guards: tuple[Policies, EgressGateways, Redirection] | None = None

    def guard(self, policies: Policies, egress: EgressGateways, redirection: Redirection) -> None:
        """These decide from now on."""
        self._guards = (policies, egress, redirection)

    def attach(self, attachment: Attachment) -> None:
        """The pod has its network since before this process."""
        policies, egress, _ = self._required()
        pod, uid = identity(attachment)
        egress.attach(pod, uid, attachment.addresses)
        policies.attach(pod, uid, attachment.addresses, link_end(attachment))

    async def admit(self, attachment: Attachment) -> None:
        """Return when the pod's rows are applied."""
        policies, egress, redirection = self._required()
        pod, uid = identity(attachment)
        await redirection.vacated(attachment.addresses)
        await policies.known(pod, uid)
        await egress.admit(pod, uid, attachment.addresses)
        await policies.admit(pod, uid, attachment.addresses, link_end(attachment))

    def obstacle(self, attachment: Attachment) -> str:
        """Return what is waited for before the pod is admitted."""
        policies, egress, redirection = self._required()
        pod, uid = identity(attachment)
        if found := redirection.obstacle(attachment.addresses):
            return found
        return (egress.obstacle(pod) if policies.is_known(pod, uid) else "") or policies.obstacle(pod, uid)

    async def release(self, attachment: Attachment) -> None:
        """Return when no row names the pod's addresses."""
        policies, egress, _ = self._required()
        pod, uid = identity(attachment)
        await egress.release(pod, uid)
        await policies.release(pod, uid, attachment.addresses)

    def _required(self) -> tuple[Policies, EgressGateways, Redirection]:
        assert self._guards is not None, "guard() is called before CNI is served"
        return self._guards


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
