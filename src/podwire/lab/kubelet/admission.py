"""Which pods a node rejects for good, whatever comes later. Pure.

Source: k8s.io/kubernetes `pkg/kubelet/lifecycle/predicate.go`, `pkg/kubelet/sysctl/allowlist.go`.
"""

from __future__ import annotations

from podwire.kube.core import Pod
from podwire.lab.kubelet import sysctls
from podwire.lab.kubelet.sandbox import Failure

OTHER_SYSTEM = Failure(reason="PodOSNotSupported", message="Failed to admit pod as the OS field doesn't match node OS")


def rejection(pod: Pod) -> Failure | None:
    """Return why a pod cannot run on this node; None where it can."""
    if pod.spec.os.name not in {"", "linux"}:
        return OTHER_SYSTEM
    if message := sysctls.forbidden(pod.spec.security_context.sysctls, host_network=pod.spec.host_network):
        return Failure(reason=sysctls.FORBIDDEN, message=message)
    return None
