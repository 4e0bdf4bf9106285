"""Containers of a pod. Source: k8s.io/kubernetes `pkg/apis/core/validation` validateContainers, validateProbe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats
from podwire.apiserver.validation import ephemeral

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
LARGEST_ID = 2**32 - 1

_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOKS = ("exec", "httpGet", "tcpSocket", "sleep")
_PROBE_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def validate(spec: Field, volume_names: set[str]) -> Iterator[Cause]:
    """Check all containers of a pod's spec."""
    names: set[str] = set()
    host_ports: set[tuple[str, str, int]] = set()
    if not spec["containers"]:
        yield spec["containers"].required()
    for container in spec["containers"]:
        yield from _container(container, names, volume_names)
        yield from _host_ports(container, host_ports, host_network=bool(spec["hostNetwork"]))
    for container in spec["initContainers"]:
        yield from _container(container, names, volume_names)
        yield from _init(container)
    others = set(names)
    for container in spec["ephemeralContainers"]:
        yield from _container(container, names, volume_names)
        yield from ephemeral.container(container, others)


def identities(context: Field) -> Iterator[Cause]:
    """Check user and group numbers of a security context."""
    for part in ("runAsUser", "runAsGroup", "fsGroup"):
        if context[part].given:
            yield from context[part].invalid_each(formats.in_range(context[part].number, 0, LARGEST_ID))


def _container(container: Field, names: set[str], volume_names: set[str]) -> Iterator[Cause]:
    yield from _name(container["name"], names)
    yield from _alone(container)
    yield from _mounts(container["volumeMounts"], volume_names)


def _alone(container: Field) -> Iterator[Cause]:
    """Check what does not depend on other containers and the volumes."""
    if not container["image"]:
        yield container["image"].required()
    elif container["image"].text != container["image"].text.strip():
        yield container["image"].invalid("must not have leading or trailing whitespace")
    yield from container["imagePullPolicy"].one_of(PULL_POLICIES)
    yield from container["terminationMessagePolicy"].one_of(MESSAGE_POLICIES)
    yield from _ports(container["ports"])
    yield from _environment(container)
    for part in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container[part].given:
            yield from _probe(container[part], once=part != "readinessProbe")
    for part in ("postStart", "preStop"):
        if container["lifecycle"][part].given:
            yield from _handler(container["lifecycle"][part], _HOOKS)
    yield from identities(container["securityContext"])


def _name(name: Field, names: set[str]) -> Iterator[Cause]:
    if not name:
        yield name.required()
    else:
        yield from name.invalid_each(formats.dns_label(name.text))
    if name.text in names:
        yield name.duplicate()
    names.add(name.text)


def _init(container: Field) -> Iterator[Cause]:
    always = container["restartPolicy"].text == "Always"
    for part in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
        if container[part].given and not always:
            yield container[part].forbidden("may not be set for init containers without restartPolicy=Always")


def _ports(ports: Field) -> Iterator[Cause]:
    names: set[str] = set()
    for port in ports:
        name = port["name"]
        if name:
            yield from name.invalid_each(formats.port_name(name.text))
            if name.text in names:
                yield name.duplicate()
            names.add(name.text)
        number = port["containerPort"]
        if not number:
            yield number.required()
        else:
            yield from number.invalid_each(formats.port_number(number.number))
        if port["hostPort"]:
            yield from port["hostPort"].invalid_each(formats.port_number(port["hostPort"].number))
        yield from port["protocol"].one_of(PROTOCOLS)


def _host_ports(container: Field, taken: set[tuple[str, str, int]], *, host_network: bool) -> Iterator[Cause]:
    for port in container["ports"]:
        number = port["hostPort"]
        if not number:
            continue
        if host_network and number.value != port["containerPort"].value:
            yield number.invalid("must match `containerPort` when `hostNetwork` is true")
        key = (port["protocol"].text, port["hostIP"].text, number.number)
        if key in taken:
            yield field_errors.duplicate(number.path, "/".join(map(str, key)))
        taken.add(key)


def _environment(container: Field) -> Iterator[Cause]:
    for variable in container["env"]:
        name, source = variable["name"], variable["valueFrom"]
        if not name:
            yield name.required()
        else:
            yield from name.invalid_each(formats.variable_name(name.text))
        if source.given:
            yield from _variable_source(variable, source)
    for source in container["envFrom"]:
        given = [source[kind] for kind in ("configMapRef", "secretRef") if source[kind].given]
        if len(given) != 1:
            yield field_errors.invalid(source.path, "", "must specify one of: `configMapRef` or `secretRef`")
        yield from (reference["name"].required() for reference in given if not reference["name"])


def _variable_source(variable: Field, source: Field) -> Iterator[Cause]:
    count = sum(source[kind].given for kind in _SOURCES)
    if variable["value"]:
        yield source.invalid("may not be specified when `value` is not empty")
    if count == 0:
        yield source.invalid(f"must specify one of: {', '.join(f'`{kind}`' for kind in _SOURCES)}")
    if count > 1:
        yield source.invalid("may not have more than one field specified at a time")


def _mounts(mounts: Field, volume_names: set[str]) -> Iterator[Cause]:
    paths: set[str] = set()
    for mount in mounts:
        name, path = mount["name"], mount["mountPath"]
        if not name:
            yield name.required()
        elif name.text not in volume_names:
            yield name.not_found()
        if not path:
            yield path.required()
        elif path.text in paths:
            yield path.invalid("must be unique")
        paths.add(path.text)
        if mount["subPath"].text.startswith("/"):
            yield mount["subPath"].invalid("must be a relative path")
        if ".." in mount["subPath"].text.split("/"):
            yield mount["subPath"].invalid("must not contain '..'")


def _probe(probe: Field, *, once: bool) -> Iterator[Cause]:
    yield from _handler(probe, _HANDLERS)
    for part in _PROBE_NUMBERS:
        yield from probe[part].not_negative()
    if once and probe["successThreshold"].value not in {None, 1}:
        yield probe["successThreshold"].invalid("must be 1")


def _handler(handler: Field, kinds: tuple[str, ...]) -> Iterator[Cause]:
    given = [handler[kind] for kind in kinds if handler[kind].given]
    if not given:
        yield handler.required("must specify a handler type")
    yield from (other.forbidden("may not specify more than 1 handler type") for other in given[1:])
    if handler["exec"].given and not handler["exec"]["command"]:
        yield handler["exec"]["command"].required()
    request = handler["httpGet"]
    if request.given:
        if not request["path"]:
            yield request["path"].required()
        yield from request["scheme"].one_of(("HTTP", "HTTPS"))
    for kind in ("httpGet", "tcpSocket", "grpc"):
        if handler[kind].given:
            yield from _handler_port(handler[kind]["port"])


def _handler_port(port: Field) -> Iterator[Cause]:
    value = 0 if port.value is None else port.value
    yield from (field_errors.invalid(port.path, value, text) for text in formats.port(value))
