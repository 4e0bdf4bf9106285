"""The objects that an agent follows: one informer a kind, of pods two, shared by all capabilities.

The server selects, so that what this node does not need is not sent: this node's pods in full, the pods of others only
where some policy reads them, Services and EndpointSlices without those that no proxy serves.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

import msgspec

from podwire.agent.known_objects import REQUIRED, TYPES, KnownObjects, Remembered, encoded_peer
from podwire.kube.client import Client
from podwire.kube.core import Namespace, Node
from podwire.kube.discovery import PROXIED, EndpointSlice
from podwire.kube.informer import Informer
from podwire.kube.kept_objects import KeptObjects
from podwire.kube.kinds import (
    CLUSTER_NETWORK_POLICIES,
    EGRESS_GATEWAYS,
    ENDPOINT_SLICES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    SERVICE_CIDRS,
    SERVICES,
)
from podwire.kube.on_demand_informer import OnDemandInformer
from podwire.kube.optional_informer import OptionalInformer
from podwire.kube.services import Service
from podwire.policy.peers import PEER_PODS, PeerPod, PeerPods, peer_selector
from podwire.redirection.enrolment import ENABLED, ISTIO_LABEL, LABEL, REDIRECTED, enrolled

log = logging.getLogger(__name__)

PEERS = "pods of other nodes"
MESH_PEERS = "pods of other nodes in the mesh"
AWAY = frozenset({"Unreachable", "ServerError"})
"""Problems of a server that is away: it refuses nothing."""


class Inputs:
    """The informers. They may run before their listeners exist, which receive each known object then."""

    def __init__(self, client: Client, node: str) -> None:
        kept = KeptObjects()
        self.nodes: Informer[Node] = Informer(client, NODES, keep=kept.node, stream_initial=True)
        self.services: Informer[Service] = Informer(
            client, SERVICES, label_selector=PROXIED, keep=partial(kept_service, kept), stream_initial=True
        )
        self.slices: Informer[EndpointSlice] = Informer(
            client, ENDPOINT_SLICES, label_selector=PROXIED, keep=kept.endpoint_slice, stream_initial=True
        )
        self.pods = Informer(client, PODS, field_selector=f"spec.nodeName={node}", stream_initial=True)
        self.namespaces: Informer[Namespace] = Informer(client, NAMESPACES, keep=kept.namespace, stream_initial=True)
        self.policies = Informer(client, NETWORK_POLICIES, stream_initial=True)
        self.service_cidrs = OptionalInformer(client, SERVICE_CIDRS)
        self.cluster_policies = OptionalInformer(client, CLUSTER_NETWORK_POLICIES)
        self.egress_gateways = OptionalInformer(client, EGRESS_GATEWAYS)
        self.required = (self.nodes, self.services, self.slices, self.pods, self.namespaces, self.policies)
        """Those without which nothing is complete."""
        self.peers: OnDemandInformer[PeerPod] = OnDemandInformer(
            Informer(
                client,
                PEER_PODS,
                field_selector=peer_selector(node),
                keep=PeerPods().peer,
                stream_initial=True,
                name=PEERS,
            )
        )
        self.mesh_peers: OnDemandInformer[PeerPod] = OnDemandInformer(
            Informer(
                client,
                PEER_PODS,
                label_selector=f"{REDIRECTED}={ENABLED}",
                field_selector=peer_selector(node),
                keep=PeerPods().peer,
                stream_initial=True,
                name=MESH_PEERS,
            )
        )
        self._known: KnownObjects | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def followed(self) -> tuple[Informer[Any], ...]:
        """Those that follow the server now."""
        on_demand = (one.informer for one in (self.peers, self.mesh_peers) if one.required)
        return (*self.required, *on_demand)

    def remember(self, known: KnownObjects) -> None:
        """Write the changes of objects that policies read to this file."""
        self._known = known
        for kind, informer in self._remembered.items():
            known.follow(kind, informer, encoded_peer if informer is self.peers.informer else msgspec.json.encode)

    async def note_complete(self) -> None:
        """Record in the file which kinds have been received whole. Returns when all required ones are."""
        for kind in REQUIRED:
            await self._remembered[kind].synced.wait()
            if self._known is not None:
                self._known.completed(kind)

    @property
    def are_known_before(self) -> bool:
        """Whether the server is away, and the file has all that policies read."""
        required = (self.nodes, self.namespaces, self.pods, self.policies)
        away = all(one.status.problem is not None and one.status.problem.reason in AWAY for one in required)
        return away and self._known is not None and self._known.is_complete(REQUIRED)

    def restore(self) -> bool:
        """Take what the file has for what is known, until the server sends its own; False where it cannot be read."""
        assert self._known is not None, "remember() is called before"
        try:
            found = {kind: self._known.objects(kind) for kind in TYPES}
        except msgspec.MsgspecError as error:
            log.warning("what was known before cannot be read, and counts for nothing: %s", error)
            return False
        for kind, objects in found.items():
            self._remembered[kind].restore(objects)
        return True

    @property
    def _remembered(self) -> dict[str, Remembered]:
        """What policies and egress gateways read."""
        return {
            "peers": self.peers.informer,
            "nodes": self.nodes,
            "namespaces": self.namespaces,
            "pods": self.pods,
            "networkpolicies": self.policies,
            "clusternetworkpolicies": self.cluster_policies,
            "egressgateways": self.egress_gateways,
        }

    def start(self) -> None:
        """Begin to list; `run` returns or raises what comes of it."""
        self._running = asyncio.create_task(self._follow())

    async def run(self) -> None:
        """Follow the server until cancelled, from where `start` began. Raises ListenerError."""
        if self._running is None:
            self.start()
        assert self._running is not None
        await self._running

    async def synced(self) -> None:
        """Wait until every required kind has been listed once."""
        for informer in self.required:
            await informer.synced.wait()

    async def _follow(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for informer in (*self.required, self.peers, self.mesh_peers):
                tasks.create_task(informer.run())
            tasks.create_task(self.service_cidrs.run())
            tasks.create_task(self.cluster_policies.run())
            tasks.create_task(self.egress_gateways.run())


def kept_service(kept: KeptObjects, service: Service) -> Service:
    """Return what is kept of a Service: where it is enrolled in the mesh, its selector too, as its pods are."""
    found, labels = kept.service(service), service.metadata.labels
    if not enrolled(labels):
        return found
    own = {**found.metadata.labels, **{key: labels[key] for key in (LABEL, ISTIO_LABEL) if key in labels}}
    return msgspec.structs.replace(
        found,
        metadata=msgspec.structs.replace(found.metadata, labels=own),
        spec=msgspec.structs.replace(found.spec, selector=service.spec.selector),
    )
