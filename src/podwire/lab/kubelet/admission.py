"""Which pods a node rejects for good, whatever comes later. Pure.

Sources: k8s.io/kubernetes `pkg/kubelet/lifecycle/predicate.go`, `pkg/kubelet/sysctl/allowlist.go`, the scheduler's
plugin NodePorts.
"""

from __future__ import annotations

from collections.abc import Iterable

from podwire.kube.core import Pod
from podwire.kube.host_ports import conflict, host_ports
from podwire.lab.kubelet import sysctls
from podwire.lab.kubelet.sandbox import Failure

OTHER_SYSTEM = Failure(reason="PodOSNotSupported", message="Failed to admit pod as the OS field doesn't match node OS")
NO_PORTS = Failure(
    reason="NodePorts",
    message="Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
)


def rejection(pod: Pod, admitted: Iterable[Pod]) -> Failure | None:
    """Return why a pod cannot run beside those that the node has admitted; None where it can."""
    if pod.spec.os.name not in {"", "linux"}:
        return OTHER_SYSTEM
    if message := sysctls.forbidden(pod.spec.security_context.sysctls, host_network=pod.spec.host_network):
        return Failure(reason=sysctls.FORBIDDEN, message=message)
    ports = host_ports(pod)
    if ports and any(conflict(ports, host_ports(other)) for other in admitted):
        return NO_PORTS
    return None
