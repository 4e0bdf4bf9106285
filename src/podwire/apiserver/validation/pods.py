"""Pods and pod templates. Source: k8s.io/kubernetes `pkg/apis/core/validation` ValidatePodSpec, ValidatePodUpdate."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats, object_meta
from podwire.apiserver.base.validation_cache import Memory
from podwire.apiserver.validation import containers, ephemeral, volumes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
LARGEST_SECONDS = 2**31 - 1

_CHANGEABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


_right_specs = Memory()


def validate(pod: Field, old: Field | None) -> Iterator[Cause]:
    """Check a Pod; of an existing one only a few fields of the spec may change."""
    yield from spec(pod["spec"])
    if old is not None:
        yield from _update(pod["spec"], old["spec"])
    elif pod["spec"]["ephemeralContainers"]:
        yield pod["spec"]["ephemeralContainers"].forbidden("cannot be set on create")


def validate_debugging(pod: Field, old: Field) -> Iterator[Cause]:
    """Check a Pod that comes by its subresource `ephemeralcontainers`."""
    yield from spec(pod["spec"])
    yield from ephemeral.update(pod["spec"], old["spec"])


def template(field: Field) -> Iterator[Cause]:
    """Check a pod template: labels and annotations stand under the template itself, as upstream's paths have it."""
    yield from object_meta.check_labels(_under(field, "labels"))
    yield from object_meta.check_annotations(_under(field, "annotations"))
    yield from spec(field["spec"])
    if field["spec"]["ephemeralContainers"]:
        yield field["spec"]["ephemeralContainers"].forbidden("ephemeral containers not allowed in pod template")


def spec(field: Field) -> list[Cause]:
    """Check what a pod should be."""
    return _right_specs.check(field.value, lambda: _spec(field))


def _spec(field: Field) -> Iterator[Cause]:
    names: set[str] = set()
    for volume in field["volumes"]:
        yield from volumes.validate(volume, names)
    yield from containers.validate(field, names)
    yield from field["restartPolicy"].one_of(RESTART_POLICIES)
    yield from field["dnsPolicy"].one_of(DNS_POLICIES)
    yield from _dns(field)
    for part in ("hostname", "subdomain"):
        if field[part]:
            yield from field[part].invalid_each(formats.dns_label(field[part].text))
    for part in ("nodeName", "serviceAccountName"):
        if field[part]:
            yield from field[part].invalid_each(formats.dns_subdomain(field[part].text))
    yield from object_meta.check_labels(field["nodeSelector"])
    yield from field["terminationGracePeriodSeconds"].not_negative()
    deadline = field["activeDeadlineSeconds"]
    if deadline.given:
        yield from deadline.invalid_each(formats.in_range(deadline.number, 1, LARGEST_SECONDS))
    yield from _aliases(field["hostAliases"])
    yield from containers.identities(field["securityContext"])


def _under(field: Field, part: str) -> Field:
    inner = field["metadata"][part]
    return type(field)(f"{field.path}.{part}", inner.value)


def _dns(field: Field) -> Iterator[Cause]:
    config = field["dnsConfig"]
    if field["dnsPolicy"].text == "None" and not config["nameservers"]:
        yield config["nameservers"].required('must provide at least one DNS nameserver when `dnsPolicy` is "None"')
    if len(config["nameservers"]) > 3:
        yield config["nameservers"].invalid("must not have more than 3 nameservers")
    for server in config["nameservers"]:
        yield from server.invalid_each(formats.address(server.text))
    if len(config["searches"]) > 32:
        yield config["searches"].invalid("must not have more than 32 search paths")
    for search in config["searches"]:
        name = search.text.removesuffix(".")
        if name:
            yield from search.invalid_each(formats.dns_subdomain(name.replace("_", "-")))
    yield from (option["name"].required("must not be empty") for option in config["options"] if not option["name"])


def _aliases(field: Field) -> Iterator[Cause]:
    for alias in field:
        yield from alias["ip"].invalid_each(formats.address(alias["ip"].text))
        for name in alias["hostnames"]:
            yield from name.invalid_each(formats.dns_subdomain(name.text))


def _update(now: Field, before: Field) -> Iterator[Cause]:
    for part in ("containers", "initContainers"):
        if len(now[part]) != len(before[part]):
            yield now[part].forbidden("pod updates may not add or remove containers")
            return
    yield from _deadline_update(now["activeDeadlineSeconds"], before["activeDeadlineSeconds"])
    held = before["tolerations"].value or []
    if any(toleration not in (now["tolerations"].value or []) for toleration in held):
        yield now["tolerations"].forbidden("existing toleration can not be modified except its tolerationSeconds")
    changed = sorted(_differences(_comparable(now.value, before.value), before.value))
    if changed:
        yield field_errors.forbidden("spec", f"{_CHANGEABLE}\nchanged: {', '.join(changed)}")


def _deadline_update(now: Field, before: Field) -> Iterator[Cause]:
    if before.given and not now.given:
        yield now.invalid("must not update from a positive integer to nil value")
    elif before.given and now.number > before.number:
        yield now.invalid("must be less than or equal to previous value")


def _comparable(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The new spec with the fields that may change set back to what they were."""
    same = copy.deepcopy(now)
    for part in ("containers", "initContainers"):
        for new, old in zip(same.get(part, ()), before.get(part, ()), strict=False):
            if "image" in old:
                new["image"] = old["image"]
    for part in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        same.pop(part, None)
        if part in before:
            same[part] = before[part]
    if before.get("terminationGracePeriodSeconds", 0) < 0 and now.get("terminationGracePeriodSeconds") == 1:
        same["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
    return same


def _differences(now: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    return (f"spec.{name}" for name in now.keys() | before.keys() if now.get(name) != before.get(name))
