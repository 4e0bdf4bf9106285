"""Read what the report is made from."""

from __future__ import annotations

import asyncio

from podwire.insight.mesh_audit.report import Report, audit
from podwire.insight.snapshot.live import list_all
from podwire.kube.client import Client
from podwire.kube.kinds import NAMESPACES, PODS, SERVICES
from podwire.mesh.authorization import reading
from podwire.mesh.authorization.selection import Authorization
from podwire.mesh.kinds.authorization_policy import AUTHORIZATION_POLICIES
from podwire.mesh.kinds.request_authentication import REQUEST_AUTHENTICATIONS
from podwire.mesh.model.workload import workload


async def read(client: Client) -> Report:
    """Return the report of a cluster. Raises ApiError and aiohttp's ClientError."""
    kinds = (NAMESPACES, PODS, SERVICES, AUTHORIZATION_POLICIES, REQUEST_AUTHENTICATIONS)
    listed = await asyncio.gather(*(list_all(client, kind) for kind in kinds))
    namespaces, pods, services, policies, tokens = (tuple(one or ()) for one in listed)
    labels = {one.metadata.name: one.metadata.labels for one in namespaces}
    made = (workload(pod, labels.get(pod.metadata.namespace)) for pod in pods)
    authorization = Authorization(
        tuple(reading.read(one).policy for one in policies),
        tuple(reading.read_tokens(one).policy for one in tokens),
        services,
    )
    return audit((one for one in made if one is not None), authorization)
