"""Security contexts of pods and containers.

Source: k8s.io/kubernetes `pkg/apis/core/validation` ValidateSecurityContext, validatePodSpecSecurityContext.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

LARGEST_ID = 2**31 - 1
PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")

_SYSCTL = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_LONGEST_SYSCTL = 253
_NAMESPACED = {"hostNetwork": ("net.",), "hostIPC": ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")}
"""Sysctls that belong to a namespace which the pod shares with its node."""

_POD_CHOICES = {
    "fsGroupChangePolicy": ("Always", "OnRootMismatch"),
    "supplementalGroupsPolicy": ("Merge", "Strict"),
    "seLinuxChangePolicy": ("MountOption", "Recursive"),
}


def container(context: Field, *, host_users: bool) -> Iterator[Cause]:
    """Check the security context of a container."""
    yield from _users(context, ("runAsUser", "runAsGroup"))
    mount = context["procMount"]
    if mount.given:
        yield from mount.one_of(("Default", "Unmasked"))
        if host_users and mount.text == "Unmasked":
            yield mount.invalid("`hostUsers` must be false to use `Unmasked`")
    yield from _seccomp(context["seccompProfile"])
    yield from _app_armor(context["appArmorProfile"])
    if context["allowPrivilegeEscalation"].value is False:
        if context["privileged"]:
            yield context.invalid("cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
        if "CAP_SYS_ADMIN" in (context["capabilities"]["add"].value or ()):
            yield context.invalid("cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN")


def pod(spec: Field) -> Iterator[Cause]:
    """Check the security context of a pod, and which namespaces of its node it shares."""
    context = spec["securityContext"]
    yield from _users(context, ("fsGroup", "runAsUser", "runAsGroup"))
    for group in context["supplementalGroups"]:
        yield from group.invalid_each(formats.in_range(group.number, 0, LARGEST_ID))
    for part, choices in _POD_CHOICES.items():
        if context[part].given and context[part].value not in choices:
            yield context[part].unsupported(choices)
    yield from _sysctls(context["sysctls"], spec)
    yield from _seccomp(context["seccompProfile"])
    yield from _app_armor(context["appArmorProfile"])
    if spec["shareProcessNamespace"].value and spec["hostPID"].value:
        yield spec["shareProcessNamespace"].invalid("ShareProcessNamespace and HostPID cannot both be enabled")
    if spec["hostUsers"].value is False:
        for part, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
            if spec[part]:
                yield field_errors.forbidden(f"{spec.path}.{shown}", "when `hostUsers` is false")


def _users(context: Field, parts: tuple[str, ...]) -> Iterator[Cause]:
    for part in parts:
        if context[part].given:
            yield from context[part].invalid_each(formats.in_range(context[part].number, 0, LARGEST_ID))


def _sysctls(sysctls: Field, spec: Field) -> Iterator[Cause]:
    seen: set[str] = set()
    for sysctl in sysctls:
        name = sysctl["name"]
        if not name:
            yield name.required()
        elif len(name.text) > _LONGEST_SYSCTL or not _SYSCTL.fullmatch(name.text):
            yield name.invalid(
                f"must have at most {_LONGEST_SYSCTL} characters and match regex "
                "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
            )
        elif name.text in seen:
            yield name.duplicate()
        for part, prefixes in _NAMESPACED.items():
            if spec[part] and name.text.replace("/", ".").startswith(prefixes):
                yield name.invalid(f"may not be specified when '{part}' is true")
        seen.add(name.text)


def _seccomp(profile: Field) -> Iterator[Cause]:
    if not profile.given:
        return
    yield from _profile_type(profile["type"], "seccompProfile")
    path = profile["localhostProfile"]
    if profile["type"].text == "Localhost":
        if not path.given:
            yield path.required("must be set when seccomp type is Localhost")
        else:
            yield from path.invalid_each(formats.descending_path(path.text))
    elif path.given:
        yield path.invalid("can only be set when seccomp type is Localhost")


def _app_armor(profile: Field) -> Iterator[Cause]:
    if not profile.given:
        return
    yield from _profile_type(profile["type"], "appArmorProfile")
    name = profile["localhostProfile"]
    if profile["type"].text == "Localhost":
        if not name:
            yield name.required("must be set when AppArmor type is Localhost")
        elif name.text != name.text.strip():
            yield name.invalid("must not be padded with whitespace")
    elif name.given:
        yield name.invalid("can only be set when AppArmor type is Localhost")


def _profile_type(kind: Field, owner: str) -> Iterator[Cause]:
    if not kind:
        yield kind.required(f"type is required when {owner} is set")
    elif kind.value not in PROFILE_TYPES:
        yield kind.unsupported(PROFILE_TYPES)
