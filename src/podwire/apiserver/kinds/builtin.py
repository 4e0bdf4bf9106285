"""The built-in kinds: one row each. Source: discovery of kube-apiserver 1.37."""

from __future__ import annotations

from msgspec.structs import replace

from podwire.apiserver.kinds.resources import STANDARD_VERBS, Registry, Resource, Subresource

_WRITE = ("get", "patch", "update")
_ALL = ("all",)
PROXY_VERBS = ("create", "delete", "get", "patch", "update")

STATUS = "status"
_ADMISSION = "admissionregistration.k8s.io"
ENDPOINTS_DEPRECATION = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
SCALE = Subresource("scale", "autoscaling", "v1", "Scale", _WRITE)


def _resource(
    api_version: str,
    kind: str,
    plural: str,
    short_names: str = "",
    *subresources: str | Subresource,
    namespaced: bool = True,
    categories: tuple[str, ...] = (),
    storage: str = "",
) -> Resource:
    group, _, version = api_version.rpartition("/")
    parts = (
        Subresource(part, group, version, kind, _WRITE) if isinstance(part, str) else part for part in subresources
    )
    return Resource(
        group=group,
        version=version,
        plural=plural,
        singular=kind.lower(),
        kind=kind,
        namespaced=namespaced,
        list_kind=f"{kind}List",
        short_names=tuple(short_names.split()),
        categories=categories,
        verbs=tuple(verb for verb in STANDARD_VERBS if (kind, verb) != ("Namespace", "deletecollection")),
        subresources={part.name: part for part in parts},
        storage=storage or (f"{plural}.{group}" if group else plural),
    )


def _pod_part(name: str, kind: str, *verbs: str, group: str = "", version: str = "v1") -> Subresource:
    return Subresource(name, group, version, kind, verbs)


def _proxy(kind: str) -> Subresource:
    return Subresource("proxy", "", "v1", kind, PROXY_VERBS)


def _core() -> tuple[Resource, ...]:
    return (
        _resource("v1", "ConfigMap", "configmaps", "cm"),
        replace(_resource("v1", "Endpoints", "endpoints", "ep"), deprecation=ENDPOINTS_DEPRECATION),
        _resource("v1", "Event", "events", "ev"),
        _resource("v1", "LimitRange", "limitranges", "limits"),
        _resource(
            "v1",
            "Namespace",
            "namespaces",
            "ns",
            Subresource("finalize", "", "v1", "Namespace", ("update",)),
            STATUS,
            namespaced=False,
        ),
        _resource("v1", "Node", "nodes", "no", _proxy("NodeProxyOptions"), STATUS, namespaced=False),
        _resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", STATUS),
        _resource("v1", "PersistentVolume", "persistentvolumes", "pv", STATUS, namespaced=False),
        _resource(
            "v1",
            "Pod",
            "pods",
            "po",
            _pod_part("attach", "PodAttachOptions", "create", "get"),
            _pod_part("binding", "Binding", "create"),
            _pod_part("ephemeralcontainers", "Pod", *_WRITE),
            _pod_part("eviction", "Eviction", "create", group="policy"),
            _pod_part("exec", "PodExecOptions", "create", "get"),
            _pod_part("log", "Pod", "get"),
            _pod_part("portforward", "PodPortForwardOptions", "create", "get"),
            _proxy("PodProxyOptions"),
            STATUS,
            categories=_ALL,
        ),
        _resource("v1", "PodTemplate", "podtemplates"),
        _resource("v1", "ReplicationController", "replicationcontrollers", "rc", SCALE, STATUS, categories=_ALL),
        _resource("v1", "ResourceQuota", "resourcequotas", "quota", STATUS),
        _resource("v1", "Secret", "secrets"),
        _resource(
            "v1",
            "ServiceAccount",
            "serviceaccounts",
            "sa",
            Subresource("token", "authentication.k8s.io", "v1", "TokenRequest", ("create",)),
        ),
        _resource("v1", "Service", "services", "svc", _proxy("ServiceProxyOptions"), STATUS, categories=_ALL),
    )


def _workloads() -> tuple[Resource, ...]:
    return (
        _resource("apps/v1", "ControllerRevision", "controllerrevisions"),
        _resource("apps/v1", "DaemonSet", "daemonsets", "ds", STATUS, categories=_ALL),
        _resource("apps/v1", "Deployment", "deployments", "deploy", SCALE, STATUS, categories=_ALL),
        _resource("apps/v1", "ReplicaSet", "replicasets", "rs", SCALE, STATUS, categories=_ALL),
        _resource("apps/v1", "StatefulSet", "statefulsets", "sts", SCALE, STATUS, categories=_ALL),
        _resource("batch/v1", "CronJob", "cronjobs", "cj", STATUS, categories=_ALL),
        _resource("batch/v1", "Job", "jobs", "", STATUS, categories=_ALL),
        _autoscalers("v2"),
        _autoscalers("v1"),
        _resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", STATUS),
        _resource("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", "pc", namespaced=False),
    )


def _autoscalers(version: str) -> Resource:
    """Both versions share one storage; the first in the list is preferred."""
    name = "horizontalpodautoscalers"
    return _resource(f"autoscaling/{version}", "HorizontalPodAutoscaler", name, "hpa", STATUS, categories=_ALL)


def _network() -> tuple[Resource, ...]:
    return (
        _resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
        _resource("networking.k8s.io/v1", "IngressClass", "ingressclasses", namespaced=False),
        _resource("networking.k8s.io/v1", "Ingress", "ingresses", "ing", STATUS),
        _resource("networking.k8s.io/v1", "IPAddress", "ipaddresses", "ip", namespaced=False),
        _resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", "netpol"),
        _resource("networking.k8s.io/v1", "ServiceCIDR", "servicecidrs", "", STATUS, namespaced=False),
    )


def _cluster() -> tuple[Resource, ...]:
    return (
        _resource("coordination.k8s.io/v1", "Lease", "leases"),
        _resource("events.k8s.io/v1", "Event", "events", "ev", storage="events"),
        _resource("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
        _resource("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False),
        _resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
        _resource("rbac.authorization.k8s.io/v1", "Role", "roles"),
        _resource("storage.k8s.io/v1", "StorageClass", "storageclasses", "sc", namespaced=False),
    )


def _review(group: str, kind: str, *, namespaced: bool = False) -> Resource:
    """A kind that is created and never stored: a review."""
    full = _resource(f"{group}/v1", kind, f"{kind.lower()}s", namespaced=namespaced)
    return replace(full, verbs=("create",), storage="")


def _reviews() -> tuple[Resource, ...]:
    authentication, authorization = "authentication.k8s.io", "authorization.k8s.io"
    return (
        _review(authentication, "SelfSubjectReview"),
        _review(authentication, "TokenReview"),
        _review(authorization, "LocalSubjectAccessReview", namespaced=True),
        _review(authorization, "SelfSubjectAccessReview"),
        _review(authorization, "SelfSubjectRulesReview"),
        _review(authorization, "SubjectAccessReview"),
    )


def _extensions() -> tuple[Resource, ...]:
    policies, policy = "validatingadmissionpolicies", "ValidatingAdmissionPolicy"
    categories = ("api-extensions",)
    return (
        _resource(f"{_ADMISSION}/v1", policy, policies, "", STATUS, namespaced=False, categories=categories),
        _resource(
            f"{_ADMISSION}/v1", f"{policy}Binding", f"{policy}Bindings".lower(), namespaced=False, categories=categories
        ),
        _resource(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            "crd crds",
            STATUS,
            namespaced=False,
            categories=categories,
        ),
    )


BUILTIN: tuple[Resource, ...] = (*_core(), *_workloads(), *_network(), *_cluster(), *_extensions(), *_reviews())


def registry() -> Registry:
    """Return a new registry of all built-in kinds."""
    return Registry(BUILTIN)
