from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tools.cluster.daemons import Daemon
from tools.cluster.layout import Layout
from tools.cluster.programs import Programs

from tools.cluster import daemons

PROGRAMS = Programs(defaultdict(lambda: Path("/programs/any")))


def of(layout: Layout, host: str) -> dict[str, Daemon]:
    return {daemon.name: daemon for daemon in daemons.of(layout, layout.host(host), PROGRAMS)}


def test_the_first_node_runs_the_control_plane_too() -> None:
    layout = Layout("a", 2, Path("/state/a"))
    assert set(of(layout, "node-2")) == {"containerd", "kubelet"}
    assert set(of(layout, "node-1")) == {
        "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "containerd", "kubelet",
    }  # fmt: skip


def test_a_control_plane_apart_runs_no_kubelet_and_needs_no_services() -> None:
    layout = Layout("a", 1, Path("/state/a"), apart=True)
    control = of(layout, "control")
    assert "kubelet" not in control
    assert "--enable-aggregator-routing=true" in control["kube-apiserver"].argv
    assert set(of(layout, "node-1")) == {"containerd", "kubelet"}


def test_nodes_get_no_ranges_when_an_allocator_gives_them() -> None:
    ranges = of(Layout("a", 1, Path("/state/a")), "node-1")["kube-controller-manager"].argv
    none = of(Layout("a", 1, Path("/state/a"), pod_ranges=False), "node-1")["kube-controller-manager"].argv
    assert "--allocate-node-cidrs=true" in ranges
    assert "--allocate-node-cidrs=false" in none
    assert not [flag for flag in none if flag.startswith("--cluster-cidr")]


def test_what_needs_another_program_waits_for_it() -> None:
    layout = Layout("a", 1, Path("/state/a"))
    needs = {name: daemon.needs for name, daemon in of(layout, "node-1").items()}
    assert needs["etcd"] == needs["containerd"] == ""
    assert needs["kubelet"] == "/run/containerd/containerd.sock"
    assert needs["kube-scheduler"] == "https://172.30.0.11:6443/readyz"
