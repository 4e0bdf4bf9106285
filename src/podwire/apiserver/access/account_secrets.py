"""Secrets of type kubernetes.io/service-account-token: the server puts a lasting token into those that people make.

Source: k8s.io/kubernetes `pkg/controller/serviceaccount/tokens_controller.go`, which does it a moment later; the token
ends with the Secret or the ServiceAccount.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from podwire.apiserver.access.tokens import Reference, Subject
from podwire.apiserver.base import field_errors, status
from podwire.apiserver.storage.revisions import Key

if TYPE_CHECKING:
    from podwire.apiserver.access.tokens import Tokens
    from podwire.apiserver.writes.admission import Admission, Write

Object = dict[str, Any]

TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
LIFETIME = timedelta(days=3650)
"""Upstream's never expire; these live as long as the certificates do."""


def account_secrets(tokens: Tokens, authority: str) -> Admission:
    """Fill in `token`, `ca.crt` and `namespace` where they are missing and the ServiceAccount is there."""

    def admit(write: Write) -> None:
        if write.resource.storage != "secrets" or write.obj.get("type") != TYPE:
            return
        metadata = write.obj["metadata"]
        annotations = metadata.setdefault("annotations", {})
        name, namespace = annotations.get(ACCOUNT_NAME, ""), metadata["namespace"]
        if not name:
            cause = field_errors.required(f"metadata.annotations[{ACCOUNT_NAME}]")
            raise status.invalid(write.resource, metadata["name"], [cause])
        account = write.transaction.get(Key("serviceaccounts", namespace, name))
        data = write.obj.setdefault("data", {})
        if account is None or data.get("token"):
            return
        annotations[ACCOUNT_UID] = account.uid
        bound = (("secret", Reference(metadata["name"], metadata["uid"])),)
        issued = tokens.issue(Subject(namespace, Reference(name, account.uid), bound), (), LIFETIME)
        content = {"token": issued.token, "ca.crt": authority, "namespace": namespace}
        data.update({key: base64.b64encode(text.encode()).decode() for key, text in content.items()})

    return admit
