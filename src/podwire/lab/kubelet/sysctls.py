"""Kernel parameters of pods (`securityContext.sysctls`): which are allowed, and how they are written. Pure.

Only those of the network are served: they belong to the pod's network namespace. Source: k8s.io/kubernetes
`pkg/kubelet/sysctl/{safe_sysctls,allowlist}.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

from podwire.kube.core import Sysctl

SAFE = frozenset(
    {
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    }
)
FORBIDDEN = "SysctlForbidden"


def forbidden(sysctls: Iterable[Sysctl], *, host_network: bool) -> str:
    """Return the message about the first parameter that a pod may not set; empty where there is none."""
    for sysctl in sysctls:
        if _dotted(sysctl.name) not in SAFE:
            return f'forbidden sysctl: "{sysctl.name}" not allowlisted'
        if host_network:
            return f'forbidden sysctl: "{sysctl.name}" not allowed with host net enabled'
    return ""


def values(sysctls: Iterable[Sysctl]) -> dict[str, str]:
    """Return what is written, by path below /proc/sys."""
    return {_dotted(sysctl.name).replace(".", "/"): sysctl.value for sysctl in sysctls}


def _dotted(name: str) -> str:
    """Return a name with dots; names with slashes are allowed too (sysctl.d(5))."""
    return name.replace("/", ".") if "/" in name and "." not in name.partition("/")[0] else name
