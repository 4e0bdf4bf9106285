"""Tables of nodes, namespaces, events, roles and what holds data. Source: `pkg/printers/internalversion`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base.field_path import Field
from podwire.apiserver.kinds import conversion
from podwire.apiserver.kinds.layout import AGE, NAME, Cell, Column, Layout
from podwire.apiserver.reads.columns import texts

if TYPE_CHECKING:
    from datetime import datetime

ROLE_LABEL = "node-role.kubernetes.io/"
OLD_ROLE_LABEL = "kubernetes.io/role"


def _node(obj: Field, now: datetime) -> tuple[Cell, ...]:
    info = obj["status"]["nodeInfo"]
    ready = texts.condition(obj["status"]["conditions"], "Ready")
    states = [{"True": "Ready", "": "Unknown"}.get(ready, "NotReady")]
    if obj["spec"]["unschedulable"]:
        states.append("SchedulingDisabled")
    return (
        texts.name(obj),
        ",".join(states),
        _roles(obj["metadata"]["labels"]),
        texts.age(obj, now),
        info["kubeletVersion"].text,
        _address(obj, "InternalIP"),
        _address(obj, "ExternalIP"),
        info["osImage"].text or texts.UNKNOWN,
        info["kernelVersion"].text or texts.UNKNOWN,
        info["containerRuntimeVersion"].text or texts.UNKNOWN,
    )


def _roles(labels: Field) -> str:
    found = {key.removeprefix(ROLE_LABEL) for key in labels.value or {} if key.startswith(ROLE_LABEL)}
    return ",".join(sorted((found | {labels[OLD_ROLE_LABEL].text}) - {""})) or texts.NONE


def _address(obj: Field, kind: str) -> str:
    addresses = obj["status"]["addresses"]
    return next((entry["address"].text for entry in addresses if entry["type"].text == kind), texts.NONE)


def _namespace(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return texts.name(obj), obj["status"]["phase"].text, texts.age(obj, now)


def _event(obj: Field, now: datetime) -> tuple[Cell, ...]:
    about, series = obj["involvedObject"], obj["series"]
    first = texts.since(obj["firstTimestamp"] or obj["eventTime"], now)
    last = texts.since(obj["lastTimestamp"], now) if obj["lastTimestamp"] else first
    count = obj["count"].number or 1
    if series.given:
        last, count = texts.since(series["lastObservedTime"], now), series["count"].number
    kind = about["kind"].text.lower()
    return (
        last,
        obj["type"].text,
        obj["reason"].text,
        f"{kind}/{about['name'].text}" if about["name"] else kind,
        about["fieldPath"].text,
        _source(obj),
        obj["message"].text.strip(),
        first,
        count,
        texts.name(obj),
    )


def _event_of_its_group(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return _event(Field(obj.path, conversion.stored_event(obj.value)), now)


def _source(obj: Field) -> str:
    component = obj["source"]["component"].text or obj["reportingComponent"].text
    host = obj["source"]["host"].text or obj["reportingInstance"].text
    return f"{component}, {host}" if host else component


def _config_map(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return texts.name(obj), len(obj["data"]) + len(obj["binaryData"]), texts.age(obj, now)


def _secret(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return texts.name(obj), obj["type"].text, len(obj["data"]), texts.age(obj, now)


def _service_account(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return texts.name(obj), len(obj["secrets"]), texts.age(obj, now)


def _lease(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return texts.name(obj), obj["spec"]["holderIdentity"].text, texts.age(obj, now)


def _binding(obj: Field, now: datetime) -> tuple[Cell, ...]:
    role = f"{obj['roleRef']['kind'].text}/{obj['roleRef']['name'].text}"
    return texts.name(obj), role, texts.age(obj, now), *(_subjects(obj["subjects"], kind) for kind in _SUBJECTS)


def _subjects(subjects: Field, kind: str) -> str:
    found = [subject for subject in subjects if subject["kind"].text == kind]
    if kind == "ServiceAccount":
        return ", ".join(f"{subject['namespace'].text}/{subject['name'].text}" for subject in found)
    return ", ".join(subject["name"].text for subject in found)


def _priority_class(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return (
        texts.name(obj),
        obj["value"].number,
        bool(obj["globalDefault"]),
        texts.age(obj, now),
        obj["preemptionPolicy"].text,
    )


def _storage_class(obj: Field, now: datetime) -> tuple[Cell, ...]:
    default = obj["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"].text == "true"
    return (
        f"{texts.name(obj)} (default)" if default else texts.name(obj),
        obj["provisioner"].text,
        obj["reclaimPolicy"].text,
        obj["volumeBindingMode"].text,
        bool(obj["allowVolumeExpansion"]),
        texts.age(obj, now),
    )


def _named(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return texts.name(obj), texts.age(obj, now)


def _created(obj: Field, _now: datetime) -> tuple[Cell, ...]:
    return texts.name(obj), obj["metadata"]["creationTimestamp"].text


_SUBJECTS = ("User", "Group", "ServiceAccount")

NODES = Layout(
    (
        NAME,
        Column("Status", description="The status of the node"),
        Column("Roles", description="The roles of the node"),
        AGE,
        Column("Version", description="The version of the node's kubelet."),
        Column("Internal-IP", priority=1, description="The node's address inside the cluster."),
        Column("External-IP", priority=1, description="The node's address outside the cluster."),
        Column("OS-Image", priority=1, description="The node's operating system."),
        Column("Kernel-Version", priority=1, description="The node's kernel."),
        Column("Container-Runtime", priority=1, description="What runs the node's containers."),
    ),
    _node,
)
NAMESPACES = Layout((NAME, Column("Status", description="The status of the namespace"), AGE), _namespace)
EVENTS = Layout(
    (
        Column("Last Seen", description="When the event was seen last."),
        Column("Type", description="Normal or Warning."),
        Column("Reason", description="Why, in one word."),
        Column("Object", description="The object that the event is about."),
        Column("Subobject", priority=1, description="The part of the object that the event is about."),
        Column("Source", priority=1, description="Who reports it."),
        Column("Message", description="What happened."),
        Column("First Seen", priority=1, description="When the event was seen first."),
        Column("Count", priority=1, description="How often the event was seen."),
        Column("Name", priority=1, format="name", description=NAME.description),
    ),
    _event,
)
EVENTS_OF_THEIR_GROUP = Layout(EVENTS.columns, _event_of_its_group)
CONFIG_MAPS = Layout((NAME, Column("Data", description="How many keys it holds."), AGE), _config_map)
SECRETS = Layout(
    (
        NAME,
        Column("Type", description="What the secret is for."),
        Column("Data", description="How many keys it holds."),
        AGE,
    ),
    _secret,
)
SERVICE_ACCOUNTS = Layout((NAME, Column("Secrets", description="How many secrets it may use."), AGE), _service_account)
LEASES = Layout((NAME, Column("Holder", description="Who holds the lease."), AGE), _lease)
BINDINGS = Layout(
    (
        NAME,
        Column("Role", description="The role that is given."),
        AGE,
        Column("Users", priority=1, description="Users in the binding"),
        Column("Groups", priority=1, description="Groups in the binding"),
        Column("ServiceAccounts", priority=1, description="ServiceAccounts in the binding"),
    ),
    _binding,
)
PRIORITY_CLASSES = Layout(
    (
        NAME,
        Column("Value", "integer", description="The higher, the more important."),
        Column("Global-Default", "boolean", description="Whether it counts where none is named."),
        AGE,
        Column("PreemptionPolicy", description="Whether it may take the place of others."),
    ),
    _priority_class,
)
STORAGE_CLASSES = Layout(
    (
        NAME,
        Column("Provisioner", description="Who makes the volumes."),
        Column("ReclaimPolicy", description="What happens to a volume when its claim goes."),
        Column("VolumeBindingMode", description="When a volume is bound."),
        Column("AllowVolumeExpansion", description="Whether volumes may grow."),
        AGE,
    ),
    _storage_class,
)
ROLES = Layout((NAME, Column("Created At", description=AGE.description)), _created)
DEFINITIONS = Layout((NAME, Column("Created At", "date", description=AGE.description)), _created)
OTHERS = Layout((NAME, AGE), _named)
