"""Defaults of fields that a user left out.

Source: k8s.io/kubernetes `pkg/apis/*/*/defaults.go`, and those conversions that keep two fields for one fact alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.defaults import (
    admission,
    apps,
    autoscaling,
    batch,
    core,
    discovery,
    extensions,
    networking,
    rbac,
    storage,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from podwire.apiserver.kinds.resources import Resource

Object = dict[str, Any]

_DEFAULTS: dict[tuple[str, str], Callable[[Object], None]] = {
    ("", "Endpoints"): core.endpoints,
    ("", "Namespace"): core.namespace,
    ("", "Node"): core.node,
    ("", "PersistentVolume"): storage.volume,
    ("", "PersistentVolumeClaim"): storage.claim,
    ("", "Pod"): core.pod,
    ("", "PodTemplate"): core.pod_template,
    ("", "ReplicationController"): core.replication_controller,
    ("", "Secret"): core.secret,
    ("", "Service"): core.service,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): admission.policy,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): admission.binding,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): extensions.definition,
    ("apps", "DaemonSet"): apps.daemon_set,
    ("apps", "Deployment"): apps.deployment,
    ("apps", "ReplicaSet"): apps.replica_set,
    ("apps", "StatefulSet"): apps.stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): autoscaling.horizontal_pod_autoscaler,
    ("batch", "CronJob"): batch.cron_job,
    ("batch", "Job"): batch.job,
    ("discovery.k8s.io", "EndpointSlice"): discovery.endpoint_slice,
    ("networking.k8s.io", "IngressClass"): networking.ingress_class,
    ("networking.k8s.io", "NetworkPolicy"): networking.network_policy,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): rbac.binding,
    ("rbac.authorization.k8s.io", "RoleBinding"): rbac.binding,
    ("scheduling.k8s.io", "PriorityClass"): storage.priority_class,
    ("storage.k8s.io", "StorageClass"): storage.storage_class,
}


def apply(resource: Resource, obj: Object) -> None:
    """Complete an object in place, as upstream's defaulting does; a complete object stays as it is.

    The object must have passed `validation.mistyped` and hold no nulls.
    """
    if resource.custom is not None:
        resource.custom.complete(obj)
        return
    complete = _DEFAULTS.get((resource.group, resource.kind))
    if complete is not None:
        complete(obj)
