"""Configuration files of a node: kubelet and containerd. Pure.

What differs from a usual node has its reason beside it: several nodes share one kernel, and the cgroup hierarchies
may be those of version 1.
"""

from __future__ import annotations

import json
from pathlib import Path

from tools.cluster.layout import DNS_ADDRESS, Host, Layout

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
CNI_PLUGINS = "/opt/cni/bin"
CNI_NETWORKS = "/etc/cni/net.d"
STATIC_PODS = "/etc/kubernetes/manifests"
MAX_PODS = 260

KERNEL_SETTINGS = {"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"}
"""What a kubelet writes for the whole machine (k8s.io/kubernetes pkg/kubelet/cm `setupKernelTunables`): a file with
the wanted value is mounted over each in a node, so that it finds nothing to change."""


def kubelet(layout: Layout, host: Host, resolv_conf: Path) -> str:
    """The kubelet's configuration (kubelet.config.k8s.io/v1beta1), as JSON."""
    folder = layout.of(host.name)
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(folder / "kubelet.crt"),
            "tlsPrivateKeyFile": str(folder / "kubelet.key"),
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            "clusterDNS": [DNS_ADDRESS],
            "clusterDomain": "cluster.local",
            "resolvConf": str(resolv_conf),
            "staticPodPath": STATIC_PODS,
            "maxPods": MAX_PODS,
            "failSwapOn": False,
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": True,
            "enforceNodeAllocatable": [],
            "makeIPTablesUtilChains": False,  # netfilter belongs to the network that is installed
            "imageGCHighThresholdPercent": 100,  # images were imported and cannot be pulled again
            "evictionHard": {
                "memory.available": "0%",
                "nodefs.available": "0%",
                "nodefs.inodesFree": "0%",
                "imagefs.available": "0%",
            },
        },
        indent=1,
    )  # fmt: skip


def containerd(runc: Path, sandbox_image: str) -> str:
    """containerd's configuration (version 3).

    Its internal loopback needs no plugin of that name; without CAP_SYS_RESOURCE no process may lower its own score.
    """
    return f"""\
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri"]

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{sandbox_image}"

[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{runc}"
SystemdCgroup = false

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{CNI_PLUGINS}"]
conf_dir = "{CNI_NETWORKS}"
use_internal_loopback = true
"""
