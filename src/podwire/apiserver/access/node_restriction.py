"""Node restriction: a node may not change other nodes, nor pods that do not run on it, whatever its role allows.

Source: k8s.io/kubernetes `plugin/pkg/admission/noderestriction/admission.go`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from podwire.apiserver.storage.revisions import Key

if TYPE_CHECKING:
    from podwire.apiserver.base.attributes import Attributes
    from podwire.apiserver.base.authentication import User
    from podwire.apiserver.storage.store import Store

GROUP = "system:nodes"
PREFIX = "system:node:"
_READ = frozenset({"get", "list", "watch"})


def name_of(user: User) -> str:
    """The node that a user is; empty for all others."""
    return user.name.removeprefix(PREFIX) if GROUP in user.groups and user.name.startswith(PREFIX) else ""


def denial_reason(user: User, attributes: Attributes, store: Store) -> str:
    """Why a node may not do this; empty where its role decides, and for users that are no nodes."""
    node = name_of(user)
    if not node or attributes.group or attributes.verb in _READ:
        return ""
    if attributes.resource == "nodes" and attributes.name != node and (attributes.name or attributes.verb != "create"):
        return f"node {json.dumps(node)} is not allowed to modify node {json.dumps(attributes.name)}"
    if attributes.resource == "pods" and attributes.name:
        pod = store.get(Key("pods", attributes.namespace, attributes.name))
        if pod is not None and pod.fields.get("spec.nodeName") != node:
            return f"node {json.dumps(node)} can only {attributes.verb} pods with spec.nodeName set to itself"
    return ""
