"""Volumes of a pod whose files come from the API: ConfigMaps, Secrets, tokens and fields. They change all at once.

As upstream's AtomicWriter: the files are in a folder with a unique name, `..data` is a link to it, and each file's
name is a link into `..data`; an update makes a new folder and moves the one link. Source: kubernetes
`pkg/volume/util/atomic_writer.go`, `pkg/volume/configmap`, `pkg/volume/emptydir`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import msgspec

from podwire.kube.core import Pod
from podwire.kube.volumes import DownwardAPIFile, KeyToPath, Volume, VolumeProjection
from podwire.lab.images.environment import ConfigurationError, Sources, container_resource, pod_field
from podwire.lab.kubelet import host_path
from podwire.lab.kubelet.empty_dir import EmptyDirs
from podwire.lab.kubelet.node_files import NodeFiles

DATA = "..data"
GROUP_READABLE = 0o440


class VolumeFile(msgspec.Struct, frozen=True):
    """One file of a volume."""

    content: bytes
    mode: int


def files(pod: Pod, volume: Volume, sources: Sources) -> Mapping[str, VolumeFile] | None:
    """The files of a volume by path; None for a volume that holds what containers write.

    Raises ConfigurationError where the object or a key is missing, or podwire does not serve the volume's kind.
    """
    if volume.empty_dir is not None:
        return None
    if volume.config_map is not None:
        values = sources.config_map(volume.config_map.name, optional=volume.config_map.optional)
        source = volume.config_map
        return _project(values or {}, source.items, source.default_mode, optional=source.optional)
    if volume.secret is not None:
        values = sources.secret(volume.secret.secret_name, optional=volume.secret.optional)
        secret = volume.secret
        return _project(values or {}, secret.items, secret.default_mode, optional=secret.optional)
    if volume.downward_api is not None:
        return _fields(pod, volume.downward_api.items, volume.downward_api.default_mode, sources)
    if volume.projected is not None:
        found: dict[str, VolumeFile] = {}
        for part in volume.projected.sources:
            found |= _part(pod, part, volume.projected.default_mode, sources)
        return found
    raise ConfigurationError(
        f'volume "{volume.name}": use emptyDir, configMap, secret, downwardAPI, projected or hostPath; '
        "podwire serves no others"
    )


def _part(pod: Pod, part: VolumeProjection, mode: int, sources: Sources) -> Mapping[str, VolumeFile]:
    """The files of one source of a projected volume."""
    if part.service_account_token is not None:
        desired = part.service_account_token
        content = sources.token(desired.audience, desired.expiration_seconds)
        return {_safe(desired.path): VolumeFile(content, mode)}
    if part.config_map is not None:
        values = sources.config_map(part.config_map.name, optional=part.config_map.optional)
        return _project(values or {}, part.config_map.items, mode, optional=part.config_map.optional)
    if part.secret is not None:
        values = sources.secret(part.secret.name, optional=part.secret.optional)
        return _project(values or {}, part.secret.items, mode, optional=part.secret.optional)
    if part.downward_api is not None:
        return _fields(pod, part.downward_api.items, mode, sources)
    raise ConfigurationError("projected: use the sources serviceAccountToken, configMap, secret or downwardAPI")


def _fields(pod: Pod, items: tuple[DownwardAPIFile, ...], mode: int, sources: Sources) -> Mapping[str, VolumeFile]:
    """Fields of the pod as files; labels and annotations whole are lines of `key="value"`."""
    found = {}
    for item in items:
        text = _field(pod, item, sources)
        found[_safe(item.path)] = VolumeFile(text.encode(), mode if item.mode is None else item.mode)
    return found


def _field(pod: Pod, item: DownwardAPIFile, sources: Sources) -> str:
    if item.resource_field_ref is not None:
        return container_resource(pod, None, item.resource_field_ref, sources)
    if item.field_ref is None:
        raise ConfigurationError(f"downwardAPI {item.path}: use fieldRef or resourceFieldRef")
    whole = {"metadata.labels": pod.metadata.labels, "metadata.annotations": pod.metadata.annotations}
    path = item.field_ref.field_path
    if path in whole:
        return "\n".join(f"{key}={json.dumps(value)}" for key, value in sorted(whole[path].items()))
    return pod_field(pod, path, sources)


def _project(
    values: Mapping[str, bytes], items: tuple[KeyToPath, ...], mode: int, *, optional: bool
) -> Mapping[str, VolumeFile]:
    if not items:
        return {key: VolumeFile(value, mode) for key, value in values.items()}
    chosen = {}
    for item in items:
        if item.key in values:
            chosen[_safe(item.path)] = VolumeFile(values[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise ConfigurationError(f"references non-existent config key: {item.key}")
    return chosen


def _safe(path: str) -> str:
    """A path below the volume; the API server refuses others, this is the second look."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or any(part.startswith("..") for part in parts):
        raise ConfigurationError(f"items.path {path!r}: must be relative and without '..'")
    return "/".join(parts)


def folder_of(pod_folder: Path, volume: str) -> Path:
    """Return the folder of a volume of a pod, or a link to it."""
    return pod_folder / "volumes" / volume


def provide(pod_folder: Path, pod: Pod, sources: Sources, node: NodeFiles, empty_dirs: EmptyDirs) -> None:
    """Make or update all volumes of a pod. Raises ConfigurationError."""
    for volume in pod.spec.volumes:
        try:
            _provide(folder_of(pod_folder, volume.name), pod, volume, sources, (node, empty_dirs))
        except (ConfigurationError, OSError) as error:
            raise ConfigurationError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from None


def _provide(folder: Path, pod: Pod, volume: Volume, sources: Sources, places: tuple[NodeFiles, EmptyDirs]) -> None:
    group = pod.spec.security_context.fs_group
    if volume.host_path is not None:
        host_path.provide(places[0], volume.host_path)
    elif volume.empty_dir is not None:
        places[1].provide(volume.name, volume.empty_dir, group, folder)
    elif (desired := files(pod, volume, sources)) is not None:
        write(folder, desired, group)


def write(folder: Path, desired: Mapping[str, VolumeFile], group: int | None = None) -> bool:
    """Make the volume hold exactly these files, seen by readers all at once. Return whether it changed."""
    folder.mkdir(parents=True, exist_ok=True)
    current = folder / DATA
    previous = folder / os.readlink(current) if current.is_symlink() else None
    if previous is not None and _read(previous) == {path: file.content for path, file in desired.items()}:
        return False
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=folder))
    fresh.chmod(0o755)
    for path, file in desired.items():
        _write_file(fresh / path, file, group)
    link = folder / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.rename(current)
    _link_names(folder, {path.partition("/")[0] for path in desired})
    if previous is not None:
        shutil.rmtree(previous, ignore_errors=True)
    return True


def _read(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _write_file(path: Path, file: VolumeFile, group: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.content)
    if group is not None:
        os.chown(path, -1, group)
    path.chmod(file.mode if group is None else file.mode | GROUP_READABLE)


def _link_names(folder: Path, names: set[str]) -> None:
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{DATA}/{name}")
    for path in folder.iterdir():
        if path.is_symlink() and path.name not in names and path.name != DATA:
            path.unlink()
