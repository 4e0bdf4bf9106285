"""The default ClusterRoles of every cluster, and their bindings.

Upstream's, less those of kinds that are not served here.
Source: k8s.io/kubernetes `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go` and `controller_policy.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.access.rbac import GROUP
from podwire.apiserver.access.rules import Rule
from podwire.apiserver.base.authentication import AUTHENTICATED, MASTERS, SERVICE_ACCOUNTS, UNAUTHENTICATED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Object = dict[str, Any]

LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
"""An annotation: while it is "true", the server adds what is missing when it starts."""

READ = "get list watch"
CHANGE = "create delete deletecollection patch update"
_AUTHORIZATION = "authorization.k8s.io"
_AUTHENTICATION = "authentication.k8s.io"
_EVENTS = (" events.k8s.io", "events", "create patch update")


def _rule(groups: str, resources: str, verbs: str) -> Rule:
    """A rule about resources; a leading blank in `groups` names the core group too."""
    return Rule(tuple(verbs.split()), tuple(groups.split(" ")), tuple(resources.split()))


def _paths(*paths: str) -> Rule:
    return Rule(("get",), paths=paths)


_ADMIN = (
    _rule(_AUTHORIZATION, "localsubjectaccessreviews", "create"),
    _rule(GROUP, "rolebindings roles", f"{CHANGE} {READ}"),
)
_EDIT = (
    _rule("", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy", READ),
    _rule("", "serviceaccounts", "impersonate"),
    _rule("", "pods pods/attach pods/exec pods/portforward pods/proxy", CHANGE),
    _rule("", "pods/eviction serviceaccounts/token", "create"),
    _rule(
        "",
        "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets"
        " serviceaccounts services services/proxy",
        CHANGE,
    ),
    _rule(
        "apps",
        "daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale",
        CHANGE,
    ),
    _rule("autoscaling", "horizontalpodautoscalers", CHANGE),
    _rule("batch", "cronjobs jobs", CHANGE),
    _rule("policy", "poddisruptionbudgets", CHANGE),
    _rule("networking.k8s.io", "ingresses networkpolicies", CHANGE),
    _rule("coordination.k8s.io", "leases", f"{CHANGE} {READ}"),
)
_VIEW = (
    _rule(
        "",
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers"
        " replicationcontrollers/scale serviceaccounts services services/status",
        READ,
    ),
    _rule(
        "",
        "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status"
        " resourcequotas resourcequotas/status",
        READ,
    ),
    _rule("", "namespaces", READ),
    _rule("discovery.k8s.io", "endpointslices", READ),
    _rule(
        "apps",
        "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets"
        " replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
        READ,
    ),
    _rule("autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status", READ),
    _rule("batch", "cronjobs cronjobs/status jobs jobs/status", READ),
    _rule("policy", "poddisruptionbudgets poddisruptionbudgets/status", READ),
    _rule("networking.k8s.io", "ingresses ingresses/status networkpolicies", READ),
)
_CONTROLLERS = (
    # The garbage collector and the namespace controller work on every kind. It is no escalation: changing a role
    # or a binding needs the rights that it gives, and `create` is named kind by kind (exec is a `create`).
    _rule("*", "*", f"{READ} delete deletecollection patch update"),
    _rule(*_EVENTS),
    _rule("", "configmaps endpoints persistentvolumeclaims pods pods/binding pods/eviction serviceaccounts", "create"),
    _rule("apps", "controllerrevisions replicasets", "create"),
    _rule("batch", "jobs", "create"),
    _rule("coordination.k8s.io", "leases", "create"),
    _rule("discovery.k8s.io", "endpointslices", "create"),
)
_SCHEDULER = (
    _rule(*_EVENTS),
    _rule("coordination.k8s.io", "leases", "create"),
    Rule(("get", "update"), ("coordination.k8s.io",), ("leases",), ("kube-scheduler",)),
    _rule("", "nodes namespaces persistentvolumeclaims persistentvolumes replicationcontrollers services", READ),
    _rule("", "pods", f"{READ} delete"),
    _rule("", "bindings pods/binding", "create"),
    _rule("", "pods/status", "patch update"),
    _rule("apps", "replicasets statefulsets", READ),
    _rule("policy", "poddisruptionbudgets", READ),
)
_NODE = (
    _rule(_AUTHENTICATION, "tokenreviews", "create"),
    _rule(_AUTHORIZATION, "localsubjectaccessreviews subjectaccessreviews", "create"),
    _rule("", "configmaps secrets services", READ),
    _rule("", "nodes", f"{READ} patch update"),
    _rule("", "nodes/status pods/status", "patch update"),
    _rule(*_EVENTS),
    _rule("", "pods", f"{READ} delete"),
    _rule("", "serviceaccounts/token", "create"),
    _rule("", "endpoints persistentvolumeclaims persistentvolumes", "get"),
    _rule("coordination.k8s.io", "leases", "create delete get patch update"),
)

ROLES: dict[str, tuple[Rule, ...]] = {
    "cluster-admin": (_rule("*", "*", "*"), Rule(("*",), paths=("*",))),
    "system:aggregate-to-admin": _ADMIN,
    "system:aggregate-to-edit": _EDIT,
    "system:aggregate-to-view": _VIEW,
    "system:auth-delegator": (
        _rule(_AUTHENTICATION, "tokenreviews", "create"),
        _rule(_AUTHORIZATION, "subjectaccessreviews", "create"),
    ),
    "system:basic-user": (
        _rule(_AUTHORIZATION, "selfsubjectaccessreviews selfsubjectrulesreviews", "create"),
        _rule(_AUTHENTICATION, "selfsubjectreviews", "create"),
    ),
    "system:discovery": (
        _paths(
            *("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz"),
            *("/version", "/version/"),
        ),
    ),
    "system:public-info-viewer": (_paths("/healthz", "/livez", "/readyz", "/version", "/version/"),),
    "system:service-account-issuer-discovery": (_paths("/.well-known/openid-configuration", "/openid/v1/jwks"),),
    "system:monitoring": (
        _paths(
            *("/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis", "/readyz", "/readyz/*"),
        ),
    ),
    "system:kubelet-api-admin": (
        _rule("", "nodes", f"{READ} proxy"),
        _rule("", "nodes/log nodes/metrics nodes/proxy nodes/stats", "*"),
    ),
    "system:kube-controller-manager": _CONTROLLERS,
    "system:kube-scheduler": _SCHEDULER,
    "system:kube-dns": (_rule("", "endpoints services", "list watch"),),
    "system:node": _NODE,
    "system:node-proxier": (
        _rule("", "endpoints services", "list watch"),
        _rule("", "nodes", READ),
        _rule(*_EVENTS),
        _rule("discovery.k8s.io", "endpointslices", "list watch"),
    ),
}

AGGREGATED = ("admin", "edit", "view")
"""Roles that are the sum of those labelled `aggregate-to-<name>`."""

_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
_PART_OF = {
    "edit": "admin",
    "view": "edit",
    "system:aggregate-to-admin": "admin",
    "system:aggregate-to-edit": "edit",
    "system:aggregate-to-view": "view",
}

BINDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "cluster-admin": (("Group", MASTERS),),
    "system:basic-user": (("Group", AUTHENTICATED),),
    "system:discovery": (("Group", AUTHENTICATED),),
    "system:public-info-viewer": (("Group", AUTHENTICATED), ("Group", UNAUTHENTICATED)),
    "system:service-account-issuer-discovery": (("Group", SERVICE_ACCOUNTS),),
    "system:monitoring": (("Group", "system:monitoring"),),
    "system:kube-controller-manager": (("User", "system:kube-controller-manager"),),
    "system:kube-scheduler": (("User", "system:kube-scheduler"),),
    "system:node": (("Group", "system:nodes"),),
    "system:node-proxier": (("User", "system:kube-proxy"),),
}
"""ClusterRoleBindings: each has the name of its role."""


def cluster_roles() -> Iterator[Object]:
    """The ClusterRoles; aggregated ones without their rules."""
    for name in AGGREGATED:
        selector = {"matchLabels": {f"{_AGGREGATE}{name}": "true"}}
        yield {**_object("ClusterRole", name), "aggregationRule": {"clusterRoleSelectors": [selector]}, "rules": []}
    for name, rules in ROLES.items():
        yield {**_object("ClusterRole", name), "rules": [rule.json() for rule in rules]}


def cluster_role_bindings() -> Iterator[Object]:
    """The ClusterRoleBindings."""
    for name, subjects in BINDINGS.items():
        yield {
            **_object("ClusterRoleBinding", name),
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": GROUP, "kind": kind, "name": subject} for kind, subject in subjects],
        }


def bootstrapped(obj: Mapping[str, Any]) -> Object:
    """A role or binding from outside with the labels and annotations of the default ones."""
    metadata = obj["metadata"]
    labels = {**LABELS, **(metadata.get("labels") or {})}
    annotations = {AUTO_UPDATE: "true", **(metadata.get("annotations") or {})}
    return {**obj, "metadata": {**metadata, "labels": labels, "annotations": annotations}}


def _object(kind: str, name: str) -> Object:
    labels = dict(LABELS)
    if kind == "ClusterRole" and name in _PART_OF:
        labels[f"{_AGGREGATE}{_PART_OF[name]}"] = "true"
    metadata = {"name": name, "labels": labels, "annotations": {AUTO_UPDATE: "true"}}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata}
