"""Pods and pod templates. Source: k8s.io/kubernetes `pkg/apis/core/validation` ValidatePodSpec, ValidatePodUpdate."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, formats, object_meta
from podwire.apiserver.base.validation_cache import ValidationCache
from podwire.apiserver.validation import compute_resources, containers, ephemeral, scheduling, security, volumes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
RESTART_POLICIES = ("Always", "OnFailure", "Never")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
LARGEST_SECONDS = 2**31 - 1
LONGEST_HOSTNAME = 64
MOST_NAMESERVERS = 3
MOST_SEARCHES = 32
LONGEST_SEARCHES = 2048
"""Characters of all search paths with the spaces between them."""

_CHANGEABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


right_specs = ValidationCache()
"""Specs without an error; the check for warnings follows it."""


def validate(pod: Field, old: Field | None) -> Iterator[Cause]:
    """Check a Pod; of an existing one only a few fields of the spec may change."""
    yield from _metadata_and_spec(pod)
    if old is not None:
        yield from _update(pod["spec"], old["spec"])
    elif pod["spec"]["ephemeralContainers"]:
        yield pod["spec"]["ephemeralContainers"].forbidden("cannot be set on create")


def validate_ephemeral(pod: Field, old: Field) -> Iterator[Cause]:
    """Check a Pod that comes by its subresource `ephemeralcontainers`."""
    yield from _metadata_and_spec(pod)
    yield from ephemeral.update(pod["spec"], old["spec"])


def template(field: Field) -> Iterator[Cause]:
    """Check a pod template; paths of its labels and annotations leave `metadata` out, as upstream's do."""
    yield from object_meta.check_labels(_under(field, "labels"))
    yield from object_meta.check_annotations(_under(field, "annotations"))
    yield from spec(field["spec"])
    yield from containers.host_network_ports(field["spec"], in_template=True)
    if field["spec"]["ephemeralContainers"]:
        yield field["spec"]["ephemeralContainers"].forbidden("ephemeral containers not allowed in pod template")


def spec(field: Field) -> list[Cause]:
    """Check what pods and pod templates have in common."""
    return right_specs.check(field.value, lambda: _spec(field))


def _metadata_and_spec(pod: Field) -> Iterator[Cause]:
    """Check what holds for a Pod and not for a template."""
    spec_field = pod["spec"]
    yield from spec(spec_field)
    yield from containers.host_network_ports(spec_field, in_template=False)
    yield from spec_field["terminationGracePeriodSeconds"].not_negative()
    for part in ("containers", "initContainers"):
        for container in spec_field[part]:
            yield from containers.image_spaces(container)


def _spec(field: Field) -> Iterator[Cause]:
    names: set[str] = set()
    for volume in field["volumes"]:
        yield from volumes.validate(volume, names)
    yield from containers.validate(field, names)
    yield from compute_resources.pod(field)
    yield from field["restartPolicy"].one_of(RESTART_POLICIES)
    yield from field["dnsPolicy"].one_of(DNS_POLICIES)
    yield from security.pod(field)
    yield from scheduling.validate(field)
    yield from _dns(field)
    yield from _names(field)
    deadline = field["activeDeadlineSeconds"]
    if deadline.given:
        yield from deadline.invalid_each(formats.in_range(deadline.number, 1, LARGEST_SECONDS))
    for alias in field["hostAliases"]:
        yield from alias["ip"].invalid_each(formats.address(alias["ip"].text))
        for name in alias["hostnames"]:
            yield from name.invalid_each(formats.dns_subdomain(name.text))
    policy = field["preemptionPolicy"]
    if policy.given:
        yield from policy.one_of(PREEMPTION_POLICIES)
    for name in field["overhead"].value or {}:
        yield from compute_resources.amount(name, field["overhead"].key(name))


def _names(field: Field) -> Iterator[Cause]:
    for part in ("serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"):
        if field[part]:
            yield from field[part].invalid_each(formats.dns_subdomain(field[part].text))
    for part in ("hostname", "subdomain"):
        if field[part]:
            yield from field[part].invalid_each(formats.dns_label(field[part].text))
    override = field["hostnameOverride"]
    if override.given:
        if field["setHostnameAsFQDN"]:
            yield override.forbidden("may not be specified when setHostnameAsFQDN is true")
        if field["hostNetwork"]:
            yield override.forbidden("may not be specified when hostNetwork is true")
        if len(override.text) > LONGEST_HOSTNAME:
            yield field_errors.too_long(override.path, LONGEST_HOSTNAME)
        yield from override.invalid_each(formats.dns_subdomain(override.text))


def _under(field: Field, part: str) -> Field:
    inner = field["metadata"][part]
    return type(field)(f"{field.path}.{part}", inner.value)


def _dns(field: Field) -> Iterator[Cause]:
    config = field["dnsConfig"]
    servers, searches = config["nameservers"], config["searches"]
    if field["dnsPolicy"].text == "None" and not servers:
        if config.given:
            yield servers.required("must provide at least one DNS nameserver when `dnsPolicy` is None")
        else:
            yield config.required("must provide `dnsConfig` when `dnsPolicy` is None")
        return
    if len(servers) > MOST_NAMESERVERS:
        yield servers.invalid(f"must not have more than {MOST_NAMESERVERS} nameservers")
    for server in servers:
        yield from server.invalid_each(formats.address(server.text))
    if len(searches) > MOST_SEARCHES:
        yield searches.invalid(f"must not have more than {MOST_SEARCHES} search paths")
    if len(" ".join(search.text for search in searches)) > LONGEST_SEARCHES:
        yield searches.invalid(
            f"must not have more than {LONGEST_SEARCHES} characters (including spaces) in the search list"
        )
    for search in searches:
        name = search.text if search.text == "." else search.text.removesuffix(".")
        yield from (field_errors.invalid(search.path, name, text) for text in formats.search_path(search.text))
    yield from (
        field_errors.required(option.path, "must not be empty") for option in config["options"] if not option["name"]
    )


def _update(now: Field, before: Field) -> Iterator[Cause]:
    for part in ("containers", "initContainers"):
        if len(now[part]) != len(before[part]):
            yield now[part].forbidden("pod updates may not add or remove containers")
            return
    yield from _deadline_update(now["activeDeadlineSeconds"], before["activeDeadlineSeconds"])
    kept = [_without_seconds(toleration.value) for toleration in now["tolerations"]]
    if any(_without_seconds(toleration.value) not in kept for toleration in before["tolerations"]):
        yield now["tolerations"].forbidden("existing toleration can not be modified except its tolerationSeconds")
    yield from scheduling.added_gates(now["schedulingGates"], before["schedulingGates"])
    yield from _selector_update(now["nodeSelector"], before)
    changed = sorted(_differences(_comparable(now.value, before.value), before.value))
    if changed:
        yield field_errors.forbidden("spec", f"{_CHANGEABLE}\nchanged: {', '.join(changed)}")


def _without_seconds(toleration: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in toleration.items() if name != "tolerationSeconds"}


def _selector_update(now: Field, before: Field) -> Iterator[Cause]:
    """Allow only additions to the node selector of a pod with scheduling gates."""
    if not before["schedulingGates"]:
        return
    for key, value in (before["nodeSelector"].value or {}).items():
        if (now.value or {}).get(key) != value:
            yield now.key(key).invalid("only additions are allowed (no mutations or deletions)")


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
    gated = ("nodeSelector",) if before.get("schedulingGates") else ()
    for part in ("activeDeadlineSeconds", "tolerations", "schedulingGates", *gated):
        same.pop(part, None)
        if part in before:
            same[part] = before[part]
    if before.get("terminationGracePeriodSeconds", 0) < 0 and now.get("terminationGracePeriodSeconds") == 1:
        same["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
    return same


def _differences(now: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    return (f"spec.{name}" for name in now.keys() | before.keys() if now.get(name) != before.get(name))
