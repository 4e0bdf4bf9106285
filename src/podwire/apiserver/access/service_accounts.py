"""Every pod is a ServiceAccount, and finds its token, the authority and its namespace in a folder of its containers.

Source: k8s.io/kubernetes `plugin/pkg/admission/serviceaccount/admission.go`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import status
from podwire.apiserver.storage.revisions import Key

if TYPE_CHECKING:
    from podwire.apiserver.writes.admission import Write

Object = dict[str, Any]

DEFAULT = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
TOKEN_SECONDS = 3607
"""Upstream's number: an hour, and seven seconds that distinguish it from an hour that a user chose."""

ROOT_AUTHORITY = "kube-root-ca.crt"
_MIRROR = "kubernetes.io/config.mirror"


def service_account(write: Write) -> None:
    """Give a new pod its ServiceAccount and the way to its token; raises StatusError 403 where there is none."""
    if write.resource.storage != "pods" or write.old is not None:
        return
    metadata, spec = write.obj["metadata"], write.obj["spec"]
    if _MIRROR in (metadata.get("annotations") or {}):
        return
    name = spec.get("serviceAccountName") or spec.get("serviceAccount") or DEFAULT
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    stored = write.transaction.get(Key("serviceaccounts", metadata["namespace"], name))
    if stored is None:
        where = f"{metadata['namespace']}/{name}"
        why = f"error looking up service account {where}: serviceaccount {json.dumps(name)} not found"
        raise status.forbidden(write.resource, metadata["name"], why)
    account = stored.object()
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = account["imagePullSecrets"]
    if _wants_token(spec, account):
        _mount_token(spec, VOLUME_PREFIX + stored.uid[:5])


def _wants_token(spec: Object, account: Object) -> bool:
    """The pod's own setting counts before its ServiceAccount's."""
    mounted = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken"))
    return mounted is not False


def _mount_token(spec: Object, volume: str) -> None:
    """Mount the volume into every container that has nothing at its path; one that is there already is used again.

    Its name is the same for all pods of a ServiceAccount, so that replicas have the same spec (upstream's is random).
    """
    volumes = spec.setdefault("volumes", [])
    known = next((one["name"] for one in volumes if str(one.get("name", "")).startswith(VOLUME_PREFIX)), "")
    name = known or volume
    needed = False
    for container in (*spec.get("initContainers", ()), *spec.get("containers", ())):
        mounts = container.setdefault("volumeMounts", [])
        if all(mount.get("mountPath") != MOUNT_PATH for mount in mounts):
            mounts.append({"name": name, "readOnly": True, "mountPath": MOUNT_PATH})
            needed = True
    if needed and not known:
        volumes.append(_token_volume(name))
    if not volumes:
        del spec["volumes"]


def _token_volume(name: str) -> Object:
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": ROOT_AUTHORITY, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
    ]
    return {"name": name, "projected": {"defaultMode": 0o644, "sources": sources}}
