"""Jobs and CronJobs. Source: k8s.io/kubernetes `pkg/apis/batch/validation`."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import field_errors, formats, object_meta
from podwire.apiserver.validation import job_policies, pods, workloads
from podwire.kube import schedules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

LONGEST_CRON_JOB_NAME = 52
LONGEST_MANAGER = 63
MOST_PARALLEL_INDEXES = 100_000

_NUMBERS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_IMMUTABLE = ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
_DIRECTIVES = ("nodeSelector", "tolerations", "schedulingGates")
"""Parts of a template that may change while the Job is suspended and has never run, beside its node affinity."""


def job(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a Job."""
    spec = obj["spec"]
    yield from _job_spec(spec)
    if not spec["selector"].given:
        yield spec["selector"].required()
    else:
        yield from object_meta.check_selector(spec["selector"])
        yield from workloads.matching(spec)
    if old is not None:
        yield from _update(spec, old)


def cron_job(obj: Field, _old: Field | None) -> Iterator[Cause]:
    """Check a CronJob: its Jobs' names have eleven characters more than its own."""
    spec = obj["spec"]
    if len(obj["metadata"]["name"].text) > LONGEST_CRON_JOB_NAME:
        yield obj["metadata"]["name"].invalid(f"must be no more than {LONGEST_CRON_JOB_NAME} characters")
    yield from _schedule(spec["schedule"])
    if spec["timeZone"].given:
        yield from _zone(spec["timeZone"])
    for part in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        yield from spec[part].not_negative()
    yield from spec["concurrencyPolicy"].one_of(("Allow", "Forbid", "Replace"))
    yield from _job_spec(spec["jobTemplate"]["spec"])


def _schedule(line: Field) -> Iterator[Cause]:
    if not line:
        yield line.required()
    elif "TZ" in line.text:
        yield line.invalid("cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    else:
        yield from line.invalid_each(_refused(schedules.schedule, line.text))


def _zone(name: Field) -> Iterator[Cause]:
    if not name:
        yield name.invalid("timeZone must be nil or non-empty string")
    elif name.text.lower() == "local":
        yield name.invalid("timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones")
    else:
        yield from name.invalid_each(_refused(schedules.zone_of, name.text))


def _refused(read: Callable[[str], object], text: str) -> list[str]:
    try:
        read(text)
    except schedules.ScheduleError as error:
        return [str(error)]
    return []


def _update(spec: Field, old: Field) -> Iterator[Cause]:
    before = old["spec"]
    yield from _completions_update(spec, before)
    now, held = spec["template"].value or {}, before["template"].value or {}
    if now != held and before["suspend"].value is True and not old["status"]["startTime"]:
        now, held = _without_directives(now), _without_directives(held)
    if now != held:
        yield spec["template"].invalid(formats.IMMUTABLE)
    for part in _IMMUTABLE:
        if spec[part].value != before[part].value:
            yield spec[part].invalid(formats.IMMUTABLE)


def _completions_update(spec: Field, before: Field) -> Iterator[Cause]:
    now = spec["completions"]
    if now.value == before["completions"].value:
        return
    if spec["completionMode"].text != "Indexed":
        yield now.invalid(formats.IMMUTABLE)
    elif now.given and now.value != spec["parallelism"].value:
        yield now.invalid("can only be modified in tandem with spec.parallelism")


def _without_directives(original: dict[str, Any]) -> dict[str, Any]:
    """A template without its scheduling directives: they may change before the first pod is made."""
    template = deepcopy(original)
    metadata, pod = template.get("metadata") or {}, template.get("spec") or {}
    for part in ("labels", "annotations"):
        metadata.pop(part, None)
    for part in _DIRECTIVES:
        pod.pop(part, None)
    affinity = pod.get("affinity") or {}
    affinity.pop("nodeAffinity", None)
    if not affinity:
        pod.pop("affinity", None)
    if not metadata:
        template.pop("metadata", None)
    return template


def _job_spec(spec: Field) -> Iterator[Cause]:
    for part in _NUMBERS:
        yield from spec[part].not_negative()
    if spec["maxFailedIndexes"].given and not spec["backoffLimitPerIndex"].given:
        yield spec["backoffLimitPerIndex"].required("when maxFailedIndexes is specified")
    manager = spec["managedBy"]
    if manager.given:
        yield from manager.invalid_each(formats.domain_prefixed_path(manager.text))
        if len(manager.text) > LONGEST_MANAGER:
            yield field_errors.too_long(manager.path, LONGEST_MANAGER)
    mode = spec["completionMode"]
    if mode.given and mode.value not in {"NonIndexed", "Indexed"}:
        yield mode.unsupported(("NonIndexed", "Indexed"))
    yield from _indexed(spec) if mode.text == "Indexed" else _not_indexed(spec)
    yield from job_policies.validate(spec)
    if not spec["template"].given:
        yield spec["template"].required()
        return
    yield from pods.template(spec["template"])
    yield from _restart_policy(spec)


def _indexed(spec: Field) -> Iterator[Cause]:
    completions, failed = spec["completions"], spec["maxFailedIndexes"]
    if not completions.given:
        yield completions.required("when completion mode is Indexed")
    if spec["parallelism"].number > MOST_PARALLEL_INDEXES:
        yield spec["parallelism"].invalid(
            f"must be less than or equal to {MOST_PARALLEL_INDEXES} when completion mode is Indexed"
        )
    if completions.given and failed.given and failed.number > completions.number:
        yield failed.invalid("must be less than or equal to completions")


def _not_indexed(spec: Field) -> Iterator[Cause]:
    for part in ("backoffLimitPerIndex", "maxFailedIndexes"):
        if spec[part].given:
            yield spec[part].invalid("requires indexed completion mode")


def _restart_policy(spec: Field) -> Iterator[Cause]:
    policy = spec["template"]["spec"]["restartPolicy"]
    if policy.text in {"", "Always"}:
        yield policy.required('valid values: "OnFailure", "Never"')
    elif policy.text not in {"OnFailure", "Never"}:
        yield policy.unsupported(("OnFailure", "Never"))
    elif spec["podFailurePolicy"].given and policy.text != "Never":
        yield policy.invalid('only "Never" is supported when podFailurePolicy is specified')
