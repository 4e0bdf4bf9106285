"""Volumes of a pod. Source: k8s.io/kubernetes `pkg/apis/core/validation` ValidateVolumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats
from podwire.apiserver.validation import downward_api
from podwire.kube import quantities

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
PROJECTIONS = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")
SHORTEST_TOKEN = 600
"""Seconds."""


def validate(volume: Field, names: set[str]) -> Iterator[Cause]:
    """Check one volume and remember its name."""
    name = volume["name"]
    if not name:
        yield name.required()
    else:
        yield from name.invalid_each(formats.dns_label(name.text))
    if name.text in names:
        yield name.duplicate()
    names.add(name.text)
    sources = [volume[kind] for kind in (volume.value or {}) if kind != "name" and volume[kind].given]
    if not sources:
        yield volume.required("must specify a volume type")
    yield from (other.forbidden("may not specify more than 1 volume type") for other in sources[1:])
    for source in sources[:1]:
        kind = source.path.rpartition(".")[2]
        yield from _source(kind, source)


def _source(kind: str, source: Field) -> Iterator[Cause]:
    match kind:
        case "configMap":
            yield from _required(source, "name")
            yield from _files(source)
        case "secret":
            yield from _required(source, "secretName")
            yield from _files(source)
        case "downwardAPI":
            yield from _mode(source["defaultMode"])
            for item in source["items"]:
                yield from _pod_file(item, source)
        case "emptyDir":
            if quantities.number(source["sizeLimit"].value or "0") < 0:
                yield source["sizeLimit"].forbidden("SizeLimit field must be a valid resource quantity")
        case "hostPath":
            yield from _host_path(source)
        case "persistentVolumeClaim":
            yield from _required(source, "claimName")
        case "projected":
            yield from _projected(source)
        case _:
            return


def _host_path(source: Field) -> Iterator[Cause]:
    path, kind = source["path"], source["type"]
    if not path:
        yield path.required()
        return
    yield from path.invalid_each(formats.no_backsteps(path.text))
    if kind.given and kind.value not in HOST_PATH_TYPES:
        yield kind.unsupported(HOST_PATH_TYPES)


def _projected(source: Field) -> Iterator[Cause]:
    yield from _mode(source["defaultMode"])
    paths: set[str] = set()
    for part in source["sources"]:
        given = [part[kind] for kind in PROJECTIONS if part[kind].given]
        if len(given) > 1:
            yield part.forbidden("may not specify more than 1 volume type per source")
        for inner in given:
            yield from _projection(inner)
            for path in _file_paths(inner):
                if path in paths:
                    named = inner["name"].text or path
                    yield field_errors.invalid(source.path, named, "conflicting duplicate paths")
                paths.add(path)


def _projection(source: Field) -> Iterator[Cause]:
    match source.step:
        case "secret" | "configMap":
            yield from _required(source, "name")
            yield from _files(source)
        case "downwardAPI":
            for item in source["items"]:
                yield from _pod_file(item, source)
        case "serviceAccountToken":
            yield from _token(source)
        case _:
            return


def _token(source: Field) -> Iterator[Cause]:
    seconds, path = source["expirationSeconds"], source["path"]
    if not seconds.given:
        yield seconds.required()
    elif seconds.number < SHORTEST_TOKEN:
        yield seconds.invalid("may not specify a duration less than 10 minutes")
    elif seconds.number > 1 << 32:
        yield seconds.invalid("may not specify a duration larger than 2^32 seconds")
    yield from [path.required()] if not path else path.invalid_each(formats.file_path(path.text))


def _file_paths(source: Field) -> Iterator[str]:
    if source["path"]:
        yield source["path"].text
    yield from (item["path"].text for item in source["items"] if item["path"])


def _required(source: Field, part: str) -> Iterator[Cause]:
    if not source[part]:
        yield source[part].required()


def _files(source: Field) -> Iterator[Cause]:
    """Check the files that keys of a ConfigMap or Secret become."""
    yield from _mode(source["defaultMode"])
    for item in source["items"]:
        yield from _required(item, "key")
        yield from _path(item["path"])
        yield from _mode(item["mode"])


def _pod_file(item: Field, source: Field) -> Iterator[Cause]:
    """Check a file that a field of the pod becomes."""
    yield from _path(item["path"])
    field, resource = item["fieldRef"], item["resourceFieldRef"]
    if field.given:
        yield from downward_api.field_reference(field, downward_api.VOLUME_FIELDS)
        if resource.given:
            detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
            yield field_errors.invalid(source.path, "resource", detail)
    elif resource.given:
        yield from downward_api.resource_reference(resource, in_volume=True)
    else:
        yield source.required("one of fieldRef and resourceFieldRef is required")
    yield from _mode(item["mode"])


def _path(path: Field) -> Iterator[Cause]:
    yield from [path.required()] if not path else path.invalid_each(formats.file_path(path.text))


def _mode(mode: Field) -> Iterator[Cause]:
    if mode.given and not 0 <= mode.number <= 0o777:
        yield mode.invalid("must be a number between 0 and 0777 (octal), both inclusive")
