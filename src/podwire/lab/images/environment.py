"""The environment of a container: its variables, where their values come from, and `$(NAME)` in them. Pure.

Sources: "Define Environment Variables for a Container" on kubernetes.io; kubernetes
`third_party/forked/golang/expansion`; kubelet `kubelet_pods.go` makeEnvironmentVariables.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping

import msgspec

from podwire.kube.core import ConfigMap, Container, EnvFromSource, EnvVarSource, KeySelector, Pod, Secret
from podwire.kube.volumes import Quantity, ResourceFieldSelector
from podwire.lab.images.resource_fields import ResourceFieldError, resource_field

_REFERENCE = re.compile(r"\$(\$|\((?P<name>[^()]*)\))")
_KEYED_FIELD = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigurationError(Exception):
    """Something that the pod refers to is not there. Waits and is tried again: it may come."""


class Sources(msgspec.Struct, frozen=True):
    """What a pod may refer to: ConfigMaps and Secrets of its namespace by name, and addresses that its node knows."""

    config_maps: Mapping[str, ConfigMap] = msgspec.field(default_factory=dict)
    secrets: Mapping[str, Secret] = msgspec.field(default_factory=dict)
    pod_addresses: tuple[str, ...] = ()
    node_addresses: tuple[str, ...] = ()
    tokens: Mapping[tuple[str, int], str] = msgspec.field(default_factory=dict)
    """Tokens of the pod's ServiceAccount by audience and lifetime in seconds."""
    allocatable: Mapping[str, Quantity] = msgspec.field(default_factory=dict)
    """What the node can allocate, by resource."""

    def token(self, audience: str, seconds: int) -> bytes:
        """A token of the pod's ServiceAccount. Raises ConfigurationError where it is not there yet."""
        found = self.tokens.get((audience, seconds))
        if found is None:
            raise ConfigurationError("the ServiceAccount's token is not there yet")
        return found.encode()

    def config_map(self, name: str, *, optional: bool) -> dict[str, bytes] | None:
        """A ConfigMap's keys; None where it is not there and need not be. Raises ConfigurationError."""
        found = self.config_maps.get(name)
        if found is not None:
            return {key: value.encode() for key, value in found.data.items()} | _decoded(found.binary_data)
        if optional:
            return None
        raise ConfigurationError(f'configmap "{name}" not found')

    def secret(self, name: str, *, optional: bool) -> dict[str, bytes] | None:
        """A Secret's keys; None where it is not there and need not be. Raises ConfigurationError."""
        found = self.secrets.get(name)
        if found is not None:
            return _decoded(found.data)
        if optional:
            return None
        raise ConfigurationError(f'secret "{name}" not found')


def _decoded(data: Mapping[str, str]) -> dict[str, bytes]:
    try:
        return {key: base64.b64decode(value, validate=True) for key, value in data.items()}
    except binascii.Error as error:
        raise ConfigurationError(f"a value is no base64: {error}") from None


def variables(pod: Pod, container: Container, sources: Sources, base: Mapping[str, str]) -> dict[str, str]:
    """All variables of a container: `base`, then envFrom, then env, later ones win. Raises ConfigurationError."""
    result = dict(base)
    for entry in container.env_from:
        result.update(_whole(entry, sources))
    for variable in container.env:
        if variable.value_from is None:
            result[variable.name] = expand(variable.value, result)
            continue
        value = _value(pod, container, variable.value_from, sources)
        if value is not None:
            result[variable.name] = value
    return result


def _whole(entry: EnvFromSource, sources: Sources) -> Iterator[tuple[str, str]]:
    values: dict[str, bytes] = {}
    if entry.config_map_ref is not None:
        values |= sources.config_map(entry.config_map_ref.name, optional=entry.config_map_ref.optional) or {}
    if entry.secret_ref is not None:
        values |= sources.secret(entry.secret_ref.name, optional=entry.secret_ref.optional) or {}
    for key, value in sorted(values.items()):
        if "=" not in key:
            yield entry.prefix + key, value.decode("utf-8", "surrogateescape")


def _value(pod: Pod, container: Container, source: EnvVarSource, sources: Sources) -> str | None:
    if source.resource_field_ref is not None:
        return container_resource(pod, container, source.resource_field_ref, sources)
    if source.field_ref is not None:
        return pod_field(pod, source.field_ref.field_path, sources)
    if source.config_map_key_ref is not None:
        return _key(
            source.config_map_key_ref,
            "configmap",
            sources.config_map(source.config_map_key_ref.name, optional=source.config_map_key_ref.optional),
        )
    if source.secret_key_ref is not None:
        return _key(
            source.secret_key_ref,
            "secret",
            sources.secret(source.secret_key_ref.name, optional=source.secret_key_ref.optional),
        )
    return ""


def _key(selector: KeySelector, kind: str, values: Mapping[str, bytes] | None) -> str | None:
    if values is not None and selector.key in values:
        return values[selector.key].decode("utf-8", "surrogateescape")
    if selector.optional:
        return None
    raise ConfigurationError(f"couldn't find key {selector.key} in {kind} {selector.name}")


def container_resource(pod: Pod, container: Container | None, selector: ResourceFieldSelector, sources: Sources) -> str:
    """The downward API: a limit or request of a container. Raises ConfigurationError."""
    try:
        return resource_field(pod, container, selector, sources.allocatable)
    except ResourceFieldError as error:
        raise ConfigurationError(f"resourceFieldRef: {error}") from None


def pod_field(pod: Pod, path: str, sources: Sources) -> str:
    """The downward API: a field of the pod by its path. Raises ConfigurationError for one that it does not offer."""
    keyed = _KEYED_FIELD.fullmatch(path)
    if keyed:
        values = pod.metadata.labels if keyed[1] == "labels" else pod.metadata.annotations
        return values.get(keyed[2], "")
    offered = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": pod.spec.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name or "default",
        "status.podIP": sources.pod_addresses[0] if sources.pod_addresses else "",
        "status.podIPs": ",".join(sources.pod_addresses),
        "status.hostIP": sources.node_addresses[0] if sources.node_addresses else "",
        "status.hostIPs": ",".join(sources.node_addresses),
    }
    if path not in offered:
        raise ConfigurationError(f"fieldRef {path}: use one of {', '.join(offered)}, metadata.labels['key']")
    return offered[path]


def references(text: str) -> list[str]:
    """The names that a text refers to by `$(NAME)`."""
    return [found["name"] for found in _REFERENCE.finditer(text) if found["name"] is not None]


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by the value of NAME where there is one; `$$` is a dollar sign."""

    def replace(found: re.Match[str]) -> str:
        if found[1] == "$":
            return "$"
        return values.get(found["name"], found[0])

    return _REFERENCE.sub(replace, text)
