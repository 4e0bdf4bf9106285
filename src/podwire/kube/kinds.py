"""The kinds that podwire reads: their paths at the API server and their types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from podwire.kube import (
    apps,
    batch,
    coordination,
    core,
    discovery,
    disruption,
    egress_gateway,
    endpoints,
    network_policy_api,
    networking,
    services,
)
from podwire.kube.gateway_api import GROUP as GATEWAY_API
from podwire.kube.meta import NamespacedName, Object

ObjectT = TypeVar("ObjectT", bound=Object)


class Kind(msgspec.Struct, Generic[ObjectT], frozen=True):
    """One resource of the API and the type that its objects decode to.

    `substitute` makes the object that represents one of this name that cannot be decoded; without it, none does.
    """

    api_version: str
    kind: str
    resource: str
    type: type[ObjectT]
    namespaced: bool = True
    substitute: Callable[[NamespacedName], ObjectT] | None = None
    within: str = ""
    """The only namespace that is read where none is given."""

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, or of one object, or of its subresource."""
        root = "/apis/" if "/" in self.api_version else "/api/"
        namespace = namespace or self.within
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}{self.api_version}{scope}/{self.resource}{tail}"


NAMESPACES = Kind("v1", "Namespace", "namespaces", core.Namespace, namespaced=False)
NODES = Kind("v1", "Node", "nodes", core.Node, namespaced=False)
PODS = Kind("v1", "Pod", "pods", core.Pod)
SERVICES = Kind("v1", "Service", "services", services.Service)
CONFIG_MAPS = Kind("v1", "ConfigMap", "configmaps", core.ConfigMap)
SECRETS = Kind("v1", "Secret", "secrets", core.Secret)
SERVICE_ACCOUNTS = Kind("v1", "ServiceAccount", "serviceaccounts", Object)
GATEWAY_CLASSES = Kind(f"{GATEWAY_API}/v1", "GatewayClass", "gatewayclasses", Object, namespaced=False)
INGRESSES = Kind("networking.k8s.io/v1", "Ingress", "ingresses", Object)
"""Both by their names only: for who must know whether there are any."""
EVENTS = Kind("v1", "Event", "events", Object)
DEPLOYMENTS = Kind("apps/v1", "Deployment", "deployments", apps.Deployment)
REPLICA_SETS = Kind("apps/v1", "ReplicaSet", "replicasets", apps.ReplicaSet)
REPLICATION_CONTROLLERS = Kind("v1", "ReplicationController", "replicationcontrollers", apps.ReplicationController)
STATEFUL_SETS = Kind("apps/v1", "StatefulSet", "statefulsets", apps.StatefulSet)
DAEMON_SETS = Kind("apps/v1", "DaemonSet", "daemonsets", apps.DaemonSet)
CONTROLLER_REVISIONS = Kind("apps/v1", "ControllerRevision", "controllerrevisions", apps.ControllerRevision)
JOBS = Kind("batch/v1", "Job", "jobs", batch.Job)
CRON_JOBS = Kind("batch/v1", "CronJob", "cronjobs", batch.CronJob)
LEASES = Kind("coordination.k8s.io/v1", "Lease", "leases", coordination.Lease)
POD_DISRUPTION_BUDGETS = Kind(
    "policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", disruption.PodDisruptionBudget
)
ENDPOINTS = Kind("v1", "Endpoints", "endpoints", endpoints.Endpoints)
ENDPOINT_SLICES = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", discovery.EndpointSlice)
SERVICE_CIDRS = Kind("networking.k8s.io/v1", "ServiceCIDR", "servicecidrs", networking.ServiceCIDR, namespaced=False)
NETWORK_POLICIES = Kind(
    "networking.k8s.io/v1",
    "NetworkPolicy",
    "networkpolicies",
    networking.NetworkPolicy,
    substitute=networking.closed_policy,
)
EGRESS_GATEWAYS = Kind(
    egress_gateway.API_VERSION,
    "EgressGateway",
    "egressgateways",
    egress_gateway.EgressGateway,
    namespaced=False,
    substitute=egress_gateway.closed_gateway,
)
CLUSTER_NETWORK_POLICIES = Kind(
    network_policy_api.API_VERSION,
    "ClusterNetworkPolicy",
    "clusternetworkpolicies",
    network_policy_api.ClusterNetworkPolicy,
    namespaced=False,
    substitute=network_policy_api.closed_cluster_policy,
)


def prepare_decoding() -> None:
    """Let msgspec read the annotations of every type here, as it does otherwise with the first object of each.

    That takes 20 ms for all, and 5 to 15 ms in each process that decodes some: what is forked after it spares them.
    """
    for kind in tuple(globals().values()):
        if isinstance(kind, Kind):
            msgspec.json.Decoder(kind.type)
