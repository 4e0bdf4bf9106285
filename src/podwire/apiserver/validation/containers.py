"""Containers of a pod. Source: k8s.io/kubernetes `pkg/apis/core/validation` validateContainers and its like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats
from podwire.apiserver.validation import compute_resources, environment, ephemeral, mounts, probes, security

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
RESTART_POLICIES = ("Always", "Never", "OnFailure")

_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_MOST_RESTART_RULES = 20
_MOST_EXIT_CODES = 255


def validate(spec: Field, volume_names: set[str]) -> Iterator[Cause]:
    """Check all containers of a pod's spec."""
    host_ports: set[str] = set()
    names: set[str] = set()
    if not spec["containers"]:
        yield spec["containers"].required()
    for container in spec["containers"]:
        yield from _common(container, spec, volume_names)
        yield from _unique(container["name"], names)
        yield from probes.of_container(container, spec)
        yield from _restart(container)
    for container in spec["containers"]:
        yield from _host_ports(container, host_ports)
    for container in spec["initContainers"]:
        yield from _common(container, spec, volume_names)
        yield from _unique(container["name"], names)
        yield from _host_ports(container, set())
        yield from _init(container, spec)
    others = set(names)
    for container in spec["ephemeralContainers"]:
        yield from _common(container, spec, volume_names)
        yield from image_spaces(container)
        yield from _unique(container["name"], names)
        yield from ephemeral.container(container, others)


def image_spaces(container: Field) -> Iterator[Cause]:
    """Refuse white space around the image of a pod's container; templates may have it."""
    if container["image"].text != container["image"].text.strip():
        yield container["image"].invalid("must not have leading or trailing whitespace")


def host_network_ports(spec: Field, *, in_template: bool) -> Iterator[Cause]:
    """Check that ports of a pod on its node's network are that node's ports; a template may leave them out."""
    if not spec["hostNetwork"]:
        return
    for container in spec["containers"]:
        for port in container["ports"]:
            host = port["hostPort"].number
            if host != port["containerPort"].number and not (in_template and host == 0):
                yield field_errors.invalid(
                    port["hostPort"].path, host, "must match `containerPort` when `hostNetwork` is true"
                )


def _common(container: Field, spec: Field, volume_names: set[str]) -> Iterator[Cause]:
    name = container["name"]
    yield from [name.required()] if not name else name.invalid_each(formats.dns_label(name.text))
    if not container["image"]:
        yield container["image"].required()
    yield from container["terminationMessagePolicy"].one_of(MESSAGE_POLICIES)
    yield from _ports(container["ports"])
    yield from environment.validate(container)
    yield from mounts.validate(container, volume_names)
    yield from container["imagePullPolicy"].one_of(PULL_POLICIES)
    yield from compute_resources.container(container["resources"])
    yield from _resize(container["resizePolicy"], spec["restartPolicy"].text)
    yield from security.container(container["securityContext"], host_users=spec["hostUsers"].value is not False)


def _unique(name: Field, names: set[str]) -> Iterator[Cause]:
    if name.text in names:
        yield name.duplicate()
    if name:
        names.add(name.text)


def _init(container: Field, spec: Field) -> Iterator[Cause]:
    if container["restartPolicy"].text == "Always":
        yield from probes.of_container(container, spec)
    else:
        for part in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if container[part].given:
                yield container[part].forbidden(_ONLY_SIDECARS)
    yield from _restart(container)


def _restart(container: Field) -> Iterator[Cause]:
    policy, rules = container["restartPolicy"], container["restartPolicyRules"]
    if not policy.given:
        if rules:
            yield policy.required("must specify restartPolicy when restart rules are used")
        return
    if policy.value not in RESTART_POLICIES:
        yield policy.unsupported(RESTART_POLICIES)
    if len(rules) > _MOST_RESTART_RULES:
        yield field_errors.too_many(rules.path, len(rules), _MOST_RESTART_RULES)
    for rule in rules:
        if rule["action"].value not in {"Restart", "RestartAllContainers"}:
            yield rule["action"].unsupported(("Restart", "RestartAllContainers"))
        yield from _exit_codes(rule["exitCodes"])


def _exit_codes(codes: Field) -> Iterator[Cause]:
    if not codes.given:
        yield codes.required("must be specified")
        return
    if codes["operator"].value not in {"In", "NotIn"}:
        yield codes["operator"].unsupported(("In", "NotIn"))
    if len(codes["values"]) > _MOST_EXIT_CODES:
        yield field_errors.too_many(codes["values"].path, len(codes["values"]), _MOST_EXIT_CODES)


def _resize(policies: Field, restart: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for policy in policies:
        name, choice = policy["resourceName"], policy["restartPolicy"]
        if name.text in seen:
            yield field_errors.duplicate(policy.path, name.text)
        seen.add(name.text)
        if name.value not in {"cpu", "memory"}:
            yield field_errors.unsupported(policies.path, name.text, ("cpu", "memory"))
        if choice.value not in _RESIZE_POLICIES:
            yield field_errors.unsupported(policies.path, choice.text, _RESIZE_POLICIES)
        if restart == "Never" and choice.text != "NotRequired":
            detail = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            yield field_errors.invalid(policies.path, choice.text, detail)


def _ports(ports: Field) -> Iterator[Cause]:
    names: set[str] = set()
    for port in ports:
        name, number = port["name"], port["containerPort"]
        wrong = formats.port_name(name.text) if name else []
        yield from name.invalid_each(wrong)
        if name and not wrong and name.text in names:
            yield name.duplicate()
        names.add(name.text)
        yield from [number.required()] if not number else number.invalid_each(formats.port_number(number.number))
        if port["hostPort"]:
            yield from port["hostPort"].invalid_each(formats.port_number(port["hostPort"].number))
        yield from port["protocol"].one_of(PROTOCOLS)


def _host_ports(container: Field, taken: set[str]) -> Iterator[Cause]:
    for port in container["ports"]:
        if port["hostPort"]:
            key = f"{port['protocol'].text}/{port['hostIP'].text}/{port['hostPort'].number}"
            if key in taken:
                yield field_errors.duplicate(port["hostPort"].path, key)
            taken.add(key)
