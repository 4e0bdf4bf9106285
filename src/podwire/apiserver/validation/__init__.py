"""Validation of objects before they are stored.

Order of a write: `mistyped` (400) and `unknown_fields` on the body as it came, then `defaults.apply`, then `strategy`,
then `allocation`, then `validate` (422), then the store. A write of the status subresource needs `validate_status`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import object_meta
from podwire.apiserver.base.field_path import Field
from podwire.apiserver.kinds import schema
from podwire.apiserver.kinds.schema import Schema
from podwire.apiserver.validation import (
    admission_policies,
    definitions,
    events,
    fast_path,
    jobs,
    networking,
    nodes,
    pods,
    records,
    secrets,
    services,
    slices,
    status,
    structure,
    workloads,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.kinds.resources import Resource

    Check = Callable[[Field, Field | None], Iterator[Cause]]

Object = dict[str, Any]

_CUSTOM = Schema(
    type="object",
    properties={"metadata": Schema(ref="io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")},
    additional=Schema(),
)

_FREE_FINALIZERS = frozenset({"CustomResourceDefinition", "Lease", "PodDisruptionBudget"})
"""Built-in kinds whose finalizers need no domain: as of kinds of users, apimachinery alone checks their metadata."""

_CHECKS: dict[tuple[str, str], Check] = {
    ("", "ConfigMap"): records.config_map,
    ("", "Event"): lambda obj, _old: events.validate(obj),
    ("", "Endpoints"): lambda obj, _old: services.endpoints(obj),
    ("", "Namespace"): records.namespace,
    ("", "Node"): nodes.validate,
    ("", "Pod"): pods.validate,
    ("", "PodTemplate"): lambda obj, _old: pods.template(obj["template"]),
    ("", "ReplicationController"): workloads.replication_controller,
    ("", "Secret"): secrets.validate,
    ("", "Service"): services.validate,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): admission_policies.policy,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): admission_policies.binding,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definitions.validate,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): records.autoscaler,
    ("coordination.k8s.io", "Lease"): records.lease,
    ("batch", "CronJob"): jobs.cron_job,
    ("batch", "Job"): jobs.job,
    ("discovery.k8s.io", "EndpointSlice"): slices.validate,
    ("networking.k8s.io", "IPAddress"): networking.ip_address,
    ("networking.k8s.io", "Ingress"): networking.ingress,
    ("networking.k8s.io", "IngressClass"): networking.ingress_class,
    ("networking.k8s.io", "NetworkPolicy"): networking.network_policy,
    ("networking.k8s.io", "ServiceCIDR"): networking.service_cidr,
    ("policy", "PodDisruptionBudget"): records.budget,
    ("rbac.authorization.k8s.io", "ClusterRole"): records.role,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): records.role_binding,
    ("rbac.authorization.k8s.io", "Role"): records.role,
    ("rbac.authorization.k8s.io", "RoleBinding"): records.role_binding,
    ("scheduling.k8s.io", "PriorityClass"): records.priority_class,
}


def in_order(resource: Resource, obj: Object) -> bool:
    """Whether an object has known fields only, each of the right type, and all that its schema requires.

    False where that is not known: `mistyped`, `unknown_fields` and `validate` find out.
    """
    if resource.custom is not None:
        return False
    return fast_path.types().fits(schema.definition_name(resource.api_version, resource.kind), obj)


def mistyped(resource: Resource, obj: Object) -> str:
    """The message of Go's decoder for a value of the wrong JSON type, such as a text for a port; empty when all fit.

    `defaults.apply` and `validate` expect an object that passed.
    """
    try:
        structure.check_types(_shape(resource), obj, resource.kind)
    except structure.MistypedError as error:
        return str(error)
    return ""


def unknown_fields(resource: Resource, obj: Object) -> list[str]:
    """The messages `unknown field "spec.foo"` of fields that the schema does not have, in the order of the body."""
    unknown = list(structure.unknown_fields(_shape(resource), obj))
    if resource.custom is not None:
        unknown += resource.custom.pruned(obj)[1]
    return [f'unknown field "{path}"' for path in unknown]


def drop_unknown_fields(resource: Resource, obj: Object) -> None:
    """Remove, in place, what the schema of a built-in kind does not have; kinds of users are pruned by their own."""
    if resource.custom is None:
        structure.drop_unknown_fields(_shape(resource), obj)


def validate(resource: Resource, obj: Object, old: Object | None = None, *, complete: bool = False) -> list[Cause]:
    """Return everything that is wrong with an object after defaulting; with `old`, also what may not change.

    Each cause is returned once. Fields that only the schema requires come last, and only without another cause;
    `complete`: none of them is missing, as the body was `in_order`.
    """
    new, before = Field("", obj), None if old is None else Field("", old)
    found = list(_metadata(resource, new, before))
    check = _CHECKS.get((resource.group, resource.kind))
    if check is not None:
        found += check(new, before)
    if resource.custom is not None:
        return list(dict.fromkeys([*found, *resource.custom.problems(obj, old)]))
    if not complete and not in_order(resource, obj):
        named = {cause.field for cause in found}
        found += (cause for cause in structure.missing_fields(schema.of(resource), obj) if cause.field not in named)
    return list(dict.fromkeys(found))


def validate_status(resource: Resource, obj: Object, old: Object) -> list[Cause]:
    """Return everything that is wrong with a new status; rules of users may compare it with the whole object."""
    if resource.custom is not None:
        return validate(resource, obj, old)
    new, before = Field("", obj), Field("", old)
    return list(dict.fromkeys([*_metadata(resource, new, before), *status.validate(resource, new, before)]))


def validate_ephemeral_containers(resource: Resource, obj: Object, old: Object) -> list[Cause]:
    """Return everything that is wrong with a Pod that is given more ephemeral containers."""
    new, before = Field("", obj), Field("", old)
    return list(dict.fromkeys([*_metadata(resource, new, before), *pods.validate_ephemeral(new, before)]))


def _shape(resource: Resource) -> Schema:
    """The schema to decode a body with: of a kind of a user only the metadata has Go types, the rest is validated."""
    return schema.of(resource) if resource.custom is None else _CUSTOM


def _metadata(resource: Resource, obj: Field, old: Field | None) -> Iterator[Cause]:
    yield from object_meta.validate(resource, obj["metadata"], None if old is None else old["metadata"])
    if resource.custom is None and resource.kind not in _FREE_FINALIZERS:
        for finalizer in obj["metadata"]["finalizers"]:
            yield from finalizer.invalid_each(object_meta.standard_finalizer(finalizer.text))
