"""What podwire's programs need of an API server: ClusterRoles, and bindings of them to given subjects.

One table for every place where they run: an API server that is given them as bootstrap objects, and manifests of a
cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from podwire.kube.coordination import AGENT_LEASES
from podwire.kube.egress_gateway import GROUP as OWN_API
from podwire.kube.gateway_api import EXPERIMENTAL_GROUP as EXPERIMENTAL_API
from podwire.kube.gateway_api import GROUP as GATEWAY_API
from podwire.kube.gateway_api import PROXIES
from podwire.kube.network_policy_api import GROUP as POLICY_API

MESH_API = "mesh.podwire.dev"

Object = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
READ = ("get", "list", "watch")
RECORD = ("create", "patch")
"""What an event recorder does."""

AGENT = "podwire:agent"
DNS = "podwire:dns"
CONTROLLER = "podwire:controller"
RELAY = "podwire:relay"
"""The process of a world that makes Services reachable from its host."""
GATEWAY = "podwire:gateway-controller"
MESH = "podwire:mesh-controller"
MESH_NODE = "podwire:mesh-node"
"""The mesh's pod of each node."""

Rule = tuple[str, tuple[str, ...], tuple[str, ...]]
"""API group, resources, verbs."""

_WITH_STATUS = (
    "gatewayclasses",
    "gateways",
    "listenersets",
    "httproutes",
    "grpcroutes",
    "tlsroutes",
    "tcproutes",
    "udproutes",
    "backendtlspolicies",
)
"""Kinds of the Gateway API whose status its controller writes."""

_MESH_READS: tuple[Rule, ...] = (
    ("", ("namespaces", "pods", "services"), READ),
    ("discovery.k8s.io", ("endpointslices",), READ),
    (GATEWAY_API, ("httproutes", "grpcroutes", "backendtlspolicies"), READ),
    (EXPERIMENTAL_API, ("xbackendtrafficpolicies",), READ),
    (MESH_API, ("authorizationpolicies", "backendpolicies", "requestauthentications", "transportpolicies"), READ),
)
"""What the mesh is made from. A node reads no ConfigMaps or Secrets: authorities that a BackendTLSPolicy names do not
count there."""

RULES: Mapping[str, tuple[Rule, ...]] = {
    AGENT: (
        ("", ("namespaces", "nodes", "pods", "services"), READ),
        ("discovery.k8s.io", ("endpointslices",), READ),
        ("networking.k8s.io", ("networkpolicies", "servicecidrs"), READ),
        (POLICY_API, ("clusternetworkpolicies",), READ),
        (POLICY_API, ("clusternetworkpolicies/status",), ("patch",)),
        (OWN_API, ("egressgateways",), READ),
        (OWN_API, ("egressgateways/status",), ("patch",)),
        # The label of pods that are redirected: by their status, as that cannot change what a pod runs.
        ("", ("pods/status",), ("patch",)),
        ("", ("events",), RECORD),
    ),
    DNS: (
        # Pods for names of pods that exist and for search lists: it follows them where its Corefile has them.
        ("", ("namespaces", "pods", "services"), READ),
        ("discovery.k8s.io", ("endpointslices",), READ),
        ("", ("events",), RECORD),
    ),
    CONTROLLER: (
        ("", ("nodes", "services"), (*READ, "patch")),
        ("", ("nodes/status", "services/status"), ("patch",)),
        # Rules cannot name what is created.
        ("coordination.k8s.io", ("leases",), ("create",)),
        ("", ("events",), RECORD),
    ),
    RELAY: (
        ("", ("nodes", "services"), READ),
        ("discovery.k8s.io", ("endpointslices",), READ),
        ("", ("events",), RECORD),
    ),
    GATEWAY: (
        (GATEWAY_API, (*_WITH_STATUS, "referencegrants"), READ),
        (GATEWAY_API, tuple(f"{kind}/status" for kind in _WITH_STATUS), ("patch",)),
        ("networking.k8s.io", ("ingresses", "ingressclasses"), READ),
        ("networking.k8s.io", ("ingresses/status",), ("patch",)),
        # The classes of an installation.
        ("networking.k8s.io", ("ingressclasses",), ("create",)),
        (GATEWAY_API, ("gatewayclasses",), ("create",)),
        # Certificates may be in any namespace, and rules cannot follow references. It requests single objects by name.
        ("", ("secrets", "configmaps"), READ),
        ("", ("namespaces",), READ),
        ("", ("services",), (*READ, "create", "patch", "delete")),
        ("discovery.k8s.io", ("endpointslices",), (*READ, "create", "patch", "delete")),
        # To own an object whose owner may not be deleted before it (OwnerReferencesPermissionEnforcement).
        (GATEWAY_API, ("gateways/finalizers",), ("update",)),
        ("", ("events",), RECORD),
    ),
    MESH: (
        *_MESH_READS,
        (GATEWAY_API, ("httproutes/status", "grpcroutes/status"), ("patch",)),
        (EXPERIMENTAL_API, ("xmeshes",), READ),
        (EXPERIMENTAL_API, ("xmeshes/status",), ("patch",)),
        (
            MESH_API,
            (
                "authorizationpolicies/status",
                "backendpolicies/status",
                "requestauthentications/status",
                "transportpolicies/status",
            ),
            ("patch",),
        ),
        ("", ("events",), RECORD),
        # Whose token a node has.
        ("authentication.k8s.io", ("tokenreviews",), ("create",)),
    ),
    MESH_NODE: _MESH_READS,
}
"""By role: what it may do."""

NAMED_RULES: Mapping[str, tuple[tuple[Rule, tuple[str, ...]], ...]] = {
    DNS: ((("", ("configmaps",), READ), ("coredns",)),),
    # Not the Leases of kubelets, by which nodes are Ready.
    CONTROLLER: ((("coordination.k8s.io", ("leases",), ("get", "patch")), ("podwire-controller",)),),
    # The release of the Gateway API.
    GATEWAY: (
        (("apiextensions.k8s.io", ("customresourcedefinitions",), ("get",)), (f"gatewayclasses.{GATEWAY_API}",)),
    ),
}
"""By role: what it may do with objects of these names only. A list or watch must select the name."""

RULES_IN: Mapping[str, tuple[str, tuple[Rule, ...]]] = {
    GATEWAY: (
        PROXIES,
        (
            ("", ("pods",), READ),
            ("", ("secrets",), ("create", "patch", "delete")),
            ("apps", ("deployments",), (*READ, "create", "patch", "delete")),
            ("coordination.k8s.io", ("leases",), ("get", "create", "patch")),
        ),
    ),
    MESH: (
        PROXIES,
        (
            # Rules cannot name what is created.
            ("", ("secrets",), ("create",)),
            ("", ("configmaps",), ("get", "list", "create", "patch", "delete")),
            ("", ("serviceaccounts",), ("create", "patch")),
            ("apps", ("daemonsets",), (*READ, "create", "patch", "delete")),
            ("discovery.k8s.io", ("endpointslices",), ("create", "patch")),
            ("coordination.k8s.io", ("leases",), ("get", "create", "patch")),
        ),
    ),
    # Agents that announce load balancers' addresses know by Leases which of them work.
    AGENT: (AGENT_LEASES, (("coordination.k8s.io", ("leases",), (*READ, *RECORD)),)),
}
"""By role: a namespace of its own, which has to exist, and what it may do only there."""

NAMED_RULES_IN: Mapping[str, tuple[str, tuple[tuple[Rule, tuple[str, ...]], ...]]] = {
    # The keys of the authority.
    MESH: (PROXIES, ((("", ("secrets",), ("get", "patch")), ("podwire-mesh-authority",)),)),
    # Whom nodes trust, and options of the mesh.
    MESH_NODE: (PROXIES, ((("", ("configmaps",), READ), ("podwire-mesh", "podwire-mesh-trust")),)),
}
"""By role: a namespace, and what it may do there with objects of these names only."""

AGENTS = "podwire:agents"
"""The group in the certificates of agents that have no ServiceAccount."""


def group(name: str) -> Object:
    """A group as the subject of a binding."""
    return {"apiGroup": GROUP, "kind": "Group", "name": name}


def user(name: str) -> Object:
    """A user as the subject of a binding."""
    return {"apiGroup": GROUP, "kind": "User", "name": name}


def account(namespace: str, name: str) -> Object:
    """A ServiceAccount as the subject of a binding."""
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


CERTIFICATE_SUBJECTS: Mapping[str, Object] = {
    AGENT: group(AGENTS),
    DNS: user(DNS),
    RELAY: user(RELAY),
    GATEWAY: user(GATEWAY),
    MESH: user(MESH),
    MESH_NODE: account(PROXIES, "podwire-mesh"),
}
"""Subjects where each program proves itself by a client certificate."""


def objects(subjects: Mapping[str, Object]) -> Iterator[Object]:
    """The ClusterRole of each role that has a subject, and its binding to that; the Role too where it has one."""
    for name, subject in subjects.items():
        yield from _bound("ClusterRole", {"name": name}, RULES[name], subject, NAMED_RULES.get(name, ()))
        if name in RULES_IN or name in NAMED_RULES_IN:
            namespace, named = NAMED_RULES_IN.get(name, ("", ()))
            namespace, rules = RULES_IN.get(name, (namespace, ()))
            yield from _bound("Role", {"name": name, "namespace": namespace}, rules, subject, named)


def _bound(
    kind: str,
    metadata: Mapping[str, str],
    rules: Iterable[Rule],
    subject: Object,
    named: Iterable[tuple[Rule, tuple[str, ...]]] = (),
) -> Iterator[Object]:
    """A role of this kind, and its binding to the subject."""
    version = f"{GROUP}/v1"
    listed = [{"apiGroups": [group], "resources": [*names], "verbs": [*verbs]} for group, names, verbs in rules]
    for (group, resources, verbs), names in named:
        listed.append({"apiGroups": [group], "resources": [*resources], "resourceNames": [*names], "verbs": [*verbs]})
    yield {"apiVersion": version, "kind": kind, "metadata": {**metadata}, "rules": listed}
    yield {
        "apiVersion": version,
        "kind": f"{kind}Binding",
        "metadata": {**metadata},
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": metadata["name"]},
        "subjects": [subject],
    }
