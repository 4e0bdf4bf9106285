"""Deployments and their like. Source: k8s.io/kubernetes `pkg/apis/apps/validation`, `pkg/apis/batch/validation`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import field_errors, formats, object_meta
from podwire.apiserver.base.field_path import Field
from podwire.apiserver.validation import pods

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause

_PERCENT = re.compile("[0-9]+%")
LONGEST_PERCENT = 20
"""Characters; a longer one is more than 100 % and not read as a number."""

_MISMATCH = "`selector` does not match template `labels`"
_NUMBERS = ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
_STATEFUL_CHANGEABLE = {
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
}


def deployment(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a Deployment."""
    spec = obj["spec"]
    yield from _replicated(spec, old, "deployment")
    strategy = spec["strategy"]
    yield from strategy["type"].one_of(("Recreate", "RollingUpdate"))
    if strategy["type"].text == "Recreate" and strategy["rollingUpdate"].given:
        yield strategy["rollingUpdate"].forbidden("may not be specified when strategy `type` is 'Recreate'")
    if strategy["type"].text == "RollingUpdate":
        yield from _rolling(strategy["rollingUpdate"])
    deadline = spec["progressDeadlineSeconds"]
    if deadline.given and deadline.number <= spec["minReadySeconds"].number:
        yield deadline.invalid("must be greater than minReadySeconds")


def replica_set(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a ReplicaSet."""
    yield from _replicated(obj["spec"], old, "replicaset")


def daemon_set(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a DaemonSet."""
    yield from _replicated(obj["spec"], old, "daemonset")
    strategy = obj["spec"]["updateStrategy"]
    yield from strategy["type"].one_of(("OnDelete", "RollingUpdate"))
    if strategy["type"].text == "RollingUpdate":
        yield from _rolling(strategy["rollingUpdate"])


def stateful_set(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a StatefulSet."""
    spec = obj["spec"]
    yield from _replicated(_with_claims(spec), None, "statefulset")
    policy, strategy = spec["podManagementPolicy"], spec["updateStrategy"]
    if policy.value not in {"OrderedReady", "Parallel"}:
        yield policy.invalid("must be 'OrderedReady' or 'Parallel'")
    if strategy["type"].value not in {"OnDelete", "RollingUpdate"}:
        yield strategy.invalid("must be 'RollingUpdate' or 'OnDelete'")
    if strategy["type"].text == "OnDelete" and strategy["rollingUpdate"].given:
        yield strategy["rollingUpdate"].invalid("only allowed for updateStrategy 'RollingUpdate'")
    yield from strategy["rollingUpdate"]["partition"].not_negative()
    if strategy["rollingUpdate"]["maxUnavailable"].given:
        yield from amount(strategy["rollingUpdate"]["maxUnavailable"])
    yield from spec["ordinals"]["start"].not_negative()
    if spec["serviceName"]:
        yield from spec["serviceName"].invalid_each(formats.dns_label(spec["serviceName"].text))
    before = old["spec"].value if old is not None else spec.value
    if old is not None and _without(spec.value, _STATEFUL_CHANGEABLE) != _without(before, _STATEFUL_CHANGEABLE):
        yield field_errors.forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
            "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        )


def _with_claims(spec: Field) -> Field:
    """The spec with a volume for each claim template: the template's containers may mount what the claims become."""
    template = spec["template"].value
    if not isinstance(template, dict) or not spec["volumeClaimTemplates"]:
        return spec
    pod = template.get("spec") or {}
    volumes = pod.get("volumes") or []
    taken = {volume.get("name") for volume in volumes}
    names = [claim["metadata"]["name"].text for claim in spec["volumeClaimTemplates"]]
    more = [{"name": name, "emptyDir": {}} for name in names if name and name not in taken]
    whole = {**template, "spec": {**pod, "volumes": [*volumes, *more]}}
    return Field(spec.path, {**spec.value, "template": whole})


def replication_controller(obj: Field, _old: Field | None) -> Iterator[Cause]:
    """Check a ReplicationController."""
    spec = obj["spec"]
    if not spec["selector"]:
        yield spec["selector"].required()
    if not spec["template"].given:
        yield spec["template"].required()
        return
    labels = spec["template"]["metadata"]["labels"].value or {}
    if any(labels.get(key) != value for key, value in (spec["selector"].value or {}).items()):
        yield field_errors.invalid("spec.template.metadata.labels", labels, _MISMATCH)
    yield from _template(spec["template"])


def _replicated(spec: Field, old: Field | None, word: str) -> Iterator[Cause]:
    """Check what all kinds with a selector and a template share."""
    for part in _NUMBERS:
        yield from spec[part].not_negative()
    selector = spec["selector"]
    if not selector.given:
        yield selector.required()
    else:
        yield from object_meta.check_selector(selector)
        if not selector["matchLabels"] and not selector["matchExpressions"]:
            yield selector.invalid(f"empty selector is invalid for {word}")
    if not spec["template"].given:
        yield spec["template"].required()
        return
    yield from matching(spec)
    yield from _template(spec["template"])
    if old is not None and selector.value != old["spec"]["selector"].value:
        yield selector.invalid(formats.IMMUTABLE)


def matching(spec: Field) -> Iterator[Cause]:
    """Check that the selector of a spec selects its own template."""
    labels = spec["template"]["metadata"]["labels"].value or {}
    if spec["selector"] and not selects(spec["selector"].value, labels):
        yield field_errors.invalid(spec["template"]["metadata"]["labels"].path, labels, _MISMATCH)


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector, as JSON, selects these labels."""
    exact = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in exact.items()) and all(
        _requirement(line, labels) for line in selector.get("matchExpressions") or ()
    )


def _requirement(line: dict[str, Any], labels: dict[str, str]) -> bool:
    key, values = line.get("key"), line.get("values") or ()
    match line.get("operator"):
        case "In":
            return labels.get(str(key)) in values
        case "NotIn":
            return labels.get(str(key)) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def _template(template: Field) -> Iterator[Cause]:
    yield from pods.template(template)
    policy = template["spec"]["restartPolicy"]
    if policy.text in pods.RESTART_POLICIES and policy.text != "Always":
        yield policy.unsupported(("Always",))
    if template["spec"]["activeDeadlineSeconds"].given:
        yield template["spec"]["activeDeadlineSeconds"].forbidden(
            "activeDeadlineSeconds in ReplicaSet is not Supported"
        )


def _rolling(update: Field) -> Iterator[Cause]:
    for part in ("maxUnavailable", "maxSurge"):
        yield from amount(update[part])
    if _is_zero(update["maxUnavailable"]) and _is_zero(update["maxSurge"]):
        yield update["maxUnavailable"].invalid("may not be 0 when `maxSurge` is 0")


def amount(field: Field) -> Iterator[Cause]:
    """Check a count or a percentage."""
    value = field.value
    if isinstance(value, str) and not _PERCENT.fullmatch(value):
        yield field.invalid(
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
            "regex used for validation is '[0-9]+%')"
        )
    elif isinstance(value, str) and (len(value) > LONGEST_PERCENT or int(value[:-1]) > 100):
        yield field.invalid("must not be greater than 100%")
    elif isinstance(value, int):
        yield from field.not_negative()


def _is_zero(field: Field) -> bool:
    return field.value in {0, "0%"}


def _without(spec: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in names}
