"""Pods of other nodes as they are decoded: the fields that a peer is made from."""

from __future__ import annotations

import msgspec

from podwire.kube.meta import Object, Struct


class _ContainerPort(Struct, frozen=True):
    container_port: int = 0
    name: str = ""
    protocol: str = "TCP"


class _Container(Struct, frozen=True):
    ports: tuple[_ContainerPort, ...] = ()
    restart_policy: str | None = None


class _PodSpec(Struct, frozen=True):
    containers: tuple[_Container, ...] = ()
    init_containers: tuple[_Container, ...] = ()
    node_name: str = ""
    host_network: bool = False


class _PodIP(Struct, frozen=True):
    ip: str = ""


class _PodStatus(Struct, frozen=True):
    phase: str = "Pending"
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: tuple[_PodIP, ...] = msgspec.field(default=(), name="podIPs")


class PeerPodObject(Object, frozen=True):
    """A Pod with the fields that a peer is made from; the decoder skips the others."""

    spec: _PodSpec = _PodSpec()
    status: _PodStatus = _PodStatus()
