"""Volumes of pods. Source: k8s.io/api `core/v1` Volume and its sources."""

from __future__ import annotations

import msgspec

from podwire.kube.meta import Struct


class ObjectFieldSelector(Struct, frozen=True):
    """A field of the pod itself, such as `metadata.name` or `status.podIP`."""

    field_path: str


Quantity = str | int | float
"""An amount such as 500m, 1Gi and 2e3; numbers are accepted as numbers too."""


class ResourceFieldSelector(Struct, frozen=True):
    """A limit or request of a container, such as `limits.cpu`, divided and rounded up. A divisor of 0 is 1."""

    resource: str
    container_name: str = ""
    divisor: Quantity = "0"


class KeyToPath(Struct, frozen=True):
    """One key of a ConfigMap or Secret volume and the file it becomes."""

    key: str
    path: str
    mode: int | None = None


class EmptyDirVolumeSource(Struct, frozen=True):
    """An empty folder that exists as long as the pod. The medium is "" or Memory; a pod that exceeds the limit ends."""

    medium: str = ""
    size_limit: Quantity | None = None


class ConfigMapVolumeSource(Struct, frozen=True):
    """A ConfigMap as files."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int = 0o644
    optional: bool = False


class SecretVolumeSource(Struct, frozen=True):
    """A Secret as files."""

    secret_name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int = 0o644
    optional: bool = False


class ServiceAccountTokenProjection(Struct, frozen=True):
    """A token of the pod's ServiceAccount as a file, renewed by the kubelet. An empty audience is the API server."""

    path: str
    audience: str = ""
    expiration_seconds: int = 3600


class ConfigMapProjection(Struct, frozen=True):
    """Keys of a ConfigMap."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool = False


class SecretProjection(Struct, frozen=True):
    """Keys of a Secret."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool = False


class DownwardAPIFile(Struct, frozen=True):
    """A field of the pod, or a limit or request of one of its containers, as a file."""

    path: str
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: int | None = None


class DownwardAPIProjection(Struct, frozen=True):
    """Fields of the pod."""

    items: tuple[DownwardAPIFile, ...] = ()


class VolumeProjection(Struct, frozen=True):
    """One source of a projected volume: exactly one field is set."""

    service_account_token: ServiceAccountTokenProjection | None = None
    config_map: ConfigMapProjection | None = None
    secret: SecretProjection | None = None
    downward_api: DownwardAPIProjection | None = msgspec.field(default=None, name="downwardAPI")


class ProjectedVolumeSource(Struct, frozen=True):
    """Several sources in one folder; later ones win."""

    sources: tuple[VolumeProjection, ...] = ()
    default_mode: int = 0o644


class DownwardAPIVolumeSource(Struct, frozen=True):
    """Fields of the pod as files."""

    items: tuple[DownwardAPIFile, ...] = ()
    default_mode: int = 0o644


class HostPathVolumeSource(Struct, frozen=True):
    """A folder or file of the node. The type determines what must exist there, or is created."""

    path: str
    type: str = ""


class Volume(Struct, frozen=True):
    """A folder of a pod. A kind of volume that is not implemented leaves all sources None."""

    name: str
    empty_dir: EmptyDirVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = msgspec.field(default=None, name="downwardAPI")
    host_path: HostPathVolumeSource | None = None
