"""Tables of Deployments and their like. Source: k8s.io/kubernetes `pkg/printers/internalversion/printers.go`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base.field_path import Field
from podwire.apiserver.kinds import conversion_hpa
from podwire.apiserver.kinds.layout import AGE, NAME, SELECTOR, TEMPLATE, Cell, Column, Layout
from podwire.apiserver.reads.columns import texts

if TYPE_CHECKING:
    from datetime import datetime


def _template(obj: Field) -> tuple[str, str]:
    return texts.containers(obj["spec"]["template"]["spec"])


def _deployment(obj: Field, now: datetime) -> tuple[Cell, ...]:
    spec, status = obj["spec"], obj["status"]
    return (
        texts.name(obj),
        f"{status['readyReplicas'].number}/{spec['replicas'].number}",
        status["updatedReplicas"].number,
        status["availableReplicas"].number,
        texts.age(obj, now),
        *_template(obj),
        texts.selector(spec["selector"]),
    )


def _replica_set(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return (*_replicas(obj), texts.age(obj, now), *_template(obj), texts.selector(obj["spec"]["selector"]))


def _replication_controller(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return (*_replicas(obj), texts.age(obj, now), *_template(obj), texts.labels(obj["spec"]["selector"]))


def _replicas(obj: Field) -> tuple[Cell, ...]:
    status = obj["status"]
    return (
        texts.name(obj),
        obj["spec"]["replicas"].number,
        status["replicas"].number,
        status["readyReplicas"].number,
    )


def _daemon_set(obj: Field, now: datetime) -> tuple[Cell, ...]:
    status, spec = obj["status"], obj["spec"]
    return (
        texts.name(obj),
        status["desiredNumberScheduled"].number,
        status["currentNumberScheduled"].number,
        status["numberReady"].number,
        status["updatedNumberScheduled"].number,
        status["numberAvailable"].number,
        texts.labels(spec["template"]["spec"]["nodeSelector"]),
        texts.age(obj, now),
        *_template(obj),
        texts.selector(spec["selector"]),
    )


def _stateful_set(obj: Field, now: datetime) -> tuple[Cell, ...]:
    ready = f"{obj['status']['readyReplicas'].number}/{obj['spec']['replicas'].number}"
    return texts.name(obj), ready, texts.age(obj, now), *_template(obj)


def _job(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return (
        texts.name(obj),
        _job_status(obj),
        _completions(obj),
        _duration(obj["status"], now),
        texts.age(obj, now),
        *_template(obj),
        texts.selector(obj["spec"]["selector"]),
    )


def _job_status(obj: Field) -> str:
    conditions = obj["status"]["conditions"]
    for kind, shown in (("Complete", "Complete"), ("Failed", "Failed")):
        if texts.condition(conditions, kind) == "True":
            return shown
    if obj["metadata"]["deletionTimestamp"]:
        return "Terminating"
    for kind in ("Suspended", "FailureTarget"):
        if texts.condition(conditions, kind) == "True":
            return kind
    return "Running"


def _completions(obj: Field) -> str:
    spec, done = obj["spec"], obj["status"]["succeeded"].number
    if spec["completions"].given:
        return f"{done}/{spec['completions'].number}"
    several = spec["parallelism"].number
    return f"{done}/1 of {several}" if several > 1 else f"{done}/1"


def _duration(status: Field, now: datetime) -> str:
    if not status["startTime"]:
        return ""
    end = texts.parsed(status["completionTime"].text) if status["completionTime"] else now
    return texts.human(end - texts.parsed(status["startTime"].text))


def _cron_job(obj: Field, now: datetime) -> tuple[Cell, ...]:
    spec, status = obj["spec"], obj["status"]
    last = status["lastScheduleTime"]
    job = spec["jobTemplate"]["spec"]
    return (
        texts.name(obj),
        spec["schedule"].text,
        spec["timeZone"].text or texts.NONE,
        str(bool(spec["suspend"])),
        len(status["active"]),
        texts.since(last, now) if last else texts.NONE,
        texts.age(obj, now),
        *texts.containers(job["template"]["spec"]),
        texts.selector(job["selector"]),
    )


def _autoscaler(obj: Field, now: datetime) -> tuple[Cell, ...]:
    if obj["apiVersion"].text == conversion_hpa.OLD:
        obj = Field(obj.path, conversion_hpa.stored(obj.value))
    spec = obj["spec"]
    target = spec["scaleTargetRef"]
    return (
        texts.name(obj),
        f"{target['kind'].text}/{target['name'].text}",
        _targets(spec["metrics"]),
        str(spec["minReplicas"].number) if spec["minReplicas"].given else texts.UNSET,
        spec["maxReplicas"].number,
        obj["status"]["currentReplicas"].number,
        texts.age(obj, now),
    )


def _scale(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return (
        texts.name(obj),
        obj["spec"]["replicas"].number,
        obj["status"]["replicas"].number,
        texts.age(obj, now),
    )


def _targets(metrics: Field) -> str:
    """The targets; nothing measures, so current values are shown as unknown."""
    shown = []
    for metric in metrics:
        resource = metric["resource"]
        percent = resource["target"]["averageUtilization"]
        aim = f"{percent.number}%" if percent.given else resource["target"]["averageValue"].text
        shown.append(f"{resource['name'].text}: {texts.UNKNOWN}/{aim}" if resource.given else texts.UNKNOWN)
    return ", ".join(shown) or texts.NONE


def _budget(obj: Field, now: datetime) -> tuple[Cell, ...]:
    least, most = obj["spec"]["minAvailable"], obj["spec"]["maxUnavailable"]
    return (
        texts.name(obj),
        str(least.value) if least.given else "N/A",
        str(most.value) if most.given else "N/A",
        obj["status"]["disruptionsAllowed"].number,
        texts.age(obj, now),
    )


def _pod_template(obj: Field, _now: datetime) -> tuple[Cell, ...]:
    template = obj["template"]
    return texts.name(obj), *texts.containers(template["spec"]), texts.labels(template["metadata"]["labels"])


def _revision(obj: Field, now: datetime) -> tuple[Cell, ...]:
    owner = next((entry for entry in obj["metadata"]["ownerReferences"] if entry["controller"]), None)
    group = owner["apiVersion"].text.rpartition("/")[0] if owner is not None else ""
    kind = owner["kind"].text.lower() if owner is not None else ""
    shown = f"{kind}{f'.{group}' if group else ''}/{owner['name'].text}" if owner is not None else texts.NONE
    return texts.name(obj), shown, obj["revision"].number, texts.age(obj, now)


_READY = Column("Ready", description="Number of the pod with ready state")
_REPLICAS = (
    Column("Desired", "integer", description="How many pods there should be."),
    Column("Current", "integer", description="How many pods there are."),
    Column("Ready", "integer", description="How many pods are ready."),
)

DEPLOYMENTS = Layout(
    (
        NAME,
        _READY,
        Column("Up-to-date", description="How many pods have the newest template."),
        Column("Available", description="How many pods have been ready long enough."),
        AGE,
        *TEMPLATE,
        SELECTOR,
    ),
    _deployment,
)
REPLICA_SETS = Layout((NAME, *_REPLICAS, AGE, *TEMPLATE, SELECTOR), _replica_set)
REPLICATION_CONTROLLERS = Layout((NAME, *_REPLICAS, AGE, *TEMPLATE, SELECTOR), _replication_controller)
DAEMON_SETS = Layout(
    (
        NAME,
        *_REPLICAS,
        Column("Up-to-date", "integer", description="How many nodes run the newest template."),
        Column("Available", "integer", description="How many nodes run a pod that has been ready long enough."),
        Column("Node Selector", description="Which nodes are meant."),
        AGE,
        *TEMPLATE,
        SELECTOR,
    ),
    _daemon_set,
)
STATEFUL_SETS = Layout((NAME, _READY, AGE, *TEMPLATE), _stateful_set)
JOBS = Layout(
    (
        NAME,
        Column("Status", description="Status of the job."),
        Column("Completions", description="How many pods have succeeded."),
        Column("Duration", description="Time required to complete the job."),
        AGE,
        *TEMPLATE,
        SELECTOR,
    ),
    _job,
)
CRON_JOBS = Layout(
    (
        NAME,
        Column("Schedule", description="When a Job is made, as cron has it."),
        Column("Timezone", description="The time zone of the schedule."),
        Column("Suspend", "boolean", description="Whether no Jobs are made."),
        Column("Active", "integer", description="How many Jobs run."),
        Column("Last Schedule", description="When the last Job was made."),
        AGE,
        *TEMPLATE,
        SELECTOR,
    ),
    _cron_job,
)
AUTOSCALERS = Layout(
    (
        NAME,
        Column("Reference", description="What is scaled."),
        Column("Targets", description="What is measured and aimed at."),
        Column("MinPods", description="The fewest pods."),
        Column("MaxPods", description="The most pods."),
        Column("Replicas", description="How many pods there are."),
        AGE,
    ),
    _autoscaler,
)
SCALES = Layout(
    (
        NAME,
        Column("Desired", "integer", description="Number of desired pods."),
        Column("Available", "integer", description="Total number of pods."),
        AGE,
    ),
    _scale,
)
BUDGETS = Layout(
    (
        NAME,
        Column("Min Available", description="The minimum number of pods that must be available."),
        Column("Max Unavailable", description="The maximum number of pods that may be unavailable."),
        Column(
            "Allowed Disruptions",
            "integer",
            description="Calculated number of pods that may be disrupted at this time.",
        ),
        AGE,
    ),
    _budget,
)
POD_TEMPLATES = Layout(
    (
        NAME,
        Column("Containers", description="Names of each container in the template."),
        Column("Images", description="Images referenced by each container in the template."),
        Column("Pod Labels", description="The labels for the pod template."),
    ),
    _pod_template,
)
REVISIONS = Layout(
    (
        NAME,
        Column("Controller", description="Controller of the object"),
        Column("Revision", description="The number of the revision."),
        AGE,
    ),
    _revision,
)
