"""What an agent may change of pods: the label of redirection, of pods of its own node. For an API server to evaluate.

RBAC cannot name nodes: with `pods/status` alone an agent could write the status of any pod. Tokens of pods name their
node. Sources: k8s.io/api `admissionregistration/v1`; KEP-4193 (bound tokens), from Kubernetes 1.30 on.
"""

from __future__ import annotations

from collections.abc import Iterator

from podwire.install.manifests import agent_daemon_set
from podwire.install.manifests.manifest import (
    ADMISSION_BINDINGS,
    ADMISSION_POLICIES,
    Manifest,
    common_labels,
    manifest,
)
from podwire.install.settings import NAMESPACE, Settings
from podwire.redirection.enrolment import REDIRECTED

NAME = "podwire-agents"
NODE_CLAIM = "authentication.kubernetes.io/node-name"
_OF = "(has({0}.metadata.{1}) ? {0}.metadata.{1} : {2})"
_UNCHANGED = " && ".join(
    f"{_OF.format('object', *one)} == {_OF.format('oldObject', *one)}"
    for one in (("annotations", "{}"), ("finalizers", "[]"))
)
_AS_BEFORE = (
    "variables.{0}.all(key, key == '" + REDIRECTED + "' || key in variables.{1} && "
    "variables.{0}[key] == variables.{1}[key])"
)


def admission(settings: Settings) -> Iterator[Manifest]:
    """Return the policy and its binding."""
    labels = common_labels(settings, agent_daemon_set.COMPONENT)
    account = f"system:serviceaccount:{NAMESPACE}:{agent_daemon_set.NAME}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods/status"]}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [{"name": "agents", "expression": f"request.userInfo.username == '{account}'"}],
        "variables": [
            {"name": "before", "expression": _OF.format("oldObject", "labels", "{}")},
            {"name": "after", "expression": _OF.format("object", "labels", "{}")},
        ],
        "validations": [
            {
                "expression": f"'{NODE_CLAIM}' in request.userInfo.extra && "
                f"object.spec.nodeName in request.userInfo.extra['{NODE_CLAIM}']",
                "message": "an agent of podwire changes pods of its own node only",
            },
            {
                "expression": "object.status == oldObject.status && "
                + " && ".join((_UNCHANGED, _AS_BEFORE.format("after", "before"), _AS_BEFORE.format("before", "after"))),
                "message": f"an agent of podwire changes the label {REDIRECTED} of pods only",
            },
        ],
    }
    yield manifest(ADMISSION_POLICIES, NAME, labels, spec=spec)
    yield manifest(ADMISSION_BINDINGS, NAME, labels, spec={"policyName": NAME, "validationActions": ["Deny"]})
