"""The subresource `/scale`: the replicas of a workload in the form of autoscaling/v1 Scale.

Source: k8s.io/kubernetes `pkg/registry/apps/deployment/storage`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import field_errors, status
from podwire.apiserver.base.requests import json_response
from podwire.apiserver.custom import scaling
from podwire.apiserver.kinds.resources import Resource
from podwire.apiserver.reads import negotiation, tables
from podwire.apiserver.reads.negotiation import Form

if TYPE_CHECKING:
    from podwire.apiserver.base.requests import Request, Response
    from podwire.apiserver.kinds.custom_resource import ScalePaths

Object = dict[str, Any]

SCALES = Resource("autoscaling", "v1", "scales", "scale", "Scale", namespaced=True, list_kind="ScaleList")
"""The kind as if it had a path of its own: for the columns of its table."""


def from_workload(workload: Object, paths: ScalePaths | None = None) -> Object:
    """The Scale of a Deployment, ReplicaSet or the like, or of a custom resource, whose parts are at these paths."""
    own = workload["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    if paths is None:
        counted = (workload.get("status") or {}).get("replicas", 0)
        replicas, state = (workload.get("spec") or {}).get("replicas", 0), {"replicas": counted}
        state["selector"] = _selector(workload)
    else:
        replicas, state = scaling.replicas(workload, paths), scaling.state(workload, paths)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: own[key] for key in kept if key in own},
        "spec": {"replicas": replicas},
        "status": state,
    }


def answer(request: Request, scale: Object, warnings: tuple[str, ...] = ()) -> Response:
    """A Scale in the form that the client accepts: as it is, or as a row; raises StatusError 406."""
    if negotiation.form(request.headers.get("accept", "")) is not Form.TABLE:
        return json_response(scale, warnings=warnings)
    include = request.parameter("includeObject") or "Metadata"
    version = {"metadata": {"resourceVersion": scale["metadata"].get("resourceVersion", "")}}
    return json_response({**tables.table(SCALES, [scale], include), **version}, warnings=warnings)


def into_workload(scale: Object, workload: Object, paths: ScalePaths | None = None) -> Object:
    """The workload with a Scale's replicas, and the version that the client saw; raises StatusError 400 or 422."""
    spec = scale.get("spec") or {}
    replicas = spec.get("replicas", 0) if isinstance(spec, dict) else None
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise status.bad_request(f"spec.replicas: Invalid value: {replicas!r}: must be a number from 0 up")
    if replicas < 0:
        cause = field_errors.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise status.invalid(SCALES, workload["metadata"]["name"], [cause])
    own = scale.get("metadata") or {}
    if not isinstance(own, dict):
        raise status.bad_request("metadata: must be an object")
    seen = {key: own[key] for key in ("uid", "resourceVersion") if own.get(key)}
    found = {**workload, "metadata": {**workload["metadata"], **seen}}
    if paths is not None:
        return scaling.scaled(found, paths, replicas)
    return {**found, "spec": {**(workload.get("spec") or {}), "replicas": replicas}}


def _selector(workload: Object) -> str:
    """The pods' selector as a query string has it."""
    selector = (workload.get("spec") or {}).get("selector") or {}
    labels = (
        selector.get("matchLabels", {}) if "matchLabels" in selector or "matchExpressions" in selector else selector
    )
    terms = [f"{key}={value}" for key, value in sorted(labels.items()) if isinstance(value, str)]
    for expression in selector.get("matchExpressions") or ():
        key, values = expression.get("key", ""), ",".join(expression.get("values") or ())
        shown = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        terms.append(shown.get(expression.get("operator", ""), key))
    return ",".join(terms)
