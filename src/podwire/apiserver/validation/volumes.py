"""Volumes of a pod. Source: k8s.io/kubernetes `pkg/apis/core/validation` ValidateVolumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import formats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field


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
            yield from _files(source)
        case "hostPath":
            yield from _required(source, "path")
        case "persistentVolumeClaim":
            yield from _required(source, "claimName")
        case "projected":
            for part in source["sources"]:
                for inner in part.value or {}:
                    yield from _files(part[inner])
        case _:
            return


def _required(source: Field, part: str) -> Iterator[Cause]:
    if not source[part]:
        yield source[part].required()


def _files(source: Field) -> Iterator[Cause]:
    mode = source["defaultMode"]
    if mode.given:
        yield from _mode(mode)
    for item in source["items"]:
        if not item["key"] and not item["fieldRef"].given and not item["resourceFieldRef"].given:
            yield item["key"].required()
        yield from _path(item["path"])
        if item["mode"].given:
            yield from _mode(item["mode"])


def _path(path: Field) -> Iterator[Cause]:
    if not path:
        yield path.required()
    elif path.text.startswith("/"):
        yield path.invalid("must be a relative path")
    elif ".." in path.text.split("/"):
        yield path.invalid("must not contain '..'")
    elif path.text.startswith(".."):
        yield path.invalid("must not start with '..'")


def _mode(mode: Field) -> Iterator[Cause]:
    if not 0 <= mode.number <= 0o777:
        yield mode.invalid("must be a number between 0 and 0777 (octal), both inclusive")
