"""Read what the report is made from."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from podwire.insight.mesh_audit.report import Report, audit
from podwire.insight.snapshot.live import list_all
from podwire.kube.client import Client
from podwire.kube.core import Pod
from podwire.kube.kinds import NAMESPACES, PODS, SERVICES
from podwire.kube.meta import Object
from podwire.kube.services import Service
from podwire.mesh.authorization import reading
from podwire.mesh.authorization.selection import Authorization
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.kinds.authorization_policy import AUTHORIZATION_POLICIES
from podwire.mesh.kinds.request_authentication import REQUEST_AUTHENTICATIONS
from podwire.mesh.kinds.transport_policy import TRANSPORT_POLICIES
from podwire.mesh.model.workload import Workload, workload
from podwire.redirection import enrolment


async def read(client: Client) -> Report:
    """Return the report of a cluster. Raises ApiError and aiohttp's ClientError."""
    kinds = (NAMESPACES, PODS, SERVICES, AUTHORIZATION_POLICIES, REQUEST_AUTHENTICATIONS, TRANSPORT_POLICIES)
    listed = await asyncio.gather(*(list_all(client, kind) for kind in kinds))
    namespaces, pods, services, policies, tokens, transport = (tuple(one or ()) for one in listed)
    rules, issuers = [reading.read(one) for one in policies], [reading.read_tokens(one) for one in tokens]
    authorization = Authorization(tuple(one.policy for one in rules), tuple(one.policy for one in issuers), services)
    unread = [
        (f"{kind} {one.policy.key}", reading.problems_text(one.problems))
        for kind, found in (("AuthorizationPolicy", rules), ("RequestAuthentication", issuers))
        for one in found
        if one.problems
    ]
    return audit(workloads(namespaces, pods, services), authorization, Transport(transport), unread)


def workloads(namespaces: Iterable[Object], pods: Iterable[Pod], services: Iterable[Service]) -> Iterator[Workload]:
    """Yield the pods with addresses of their own; Services with a label of the mesh enrol those that they select."""
    labels = {one.metadata.name: one.metadata.labels for one in namespaces}
    selectors: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for service in services:
        if enrolment.enrolled(service.metadata.labels):
            selectors[service.metadata.namespace].append(service.spec.selector)
    for pod in pods:
        space = pod.metadata.namespace
        found = workload(pod, labels.get(space), selectors.get(space, ()))
        if found is not None:
            yield found
