"""Read what the report is made from."""

from __future__ import annotations

import asyncio

from podwire.insight.mesh_audit.report import Report, audit
from podwire.insight.mesh_policies.ends import workloads
from podwire.insight.snapshot.live import list_all
from podwire.kube.client import Client
from podwire.kube.kinds import NAMESPACES, PODS, SERVICES
from podwire.mesh.authorization import reading
from podwire.mesh.authorization.selection import Authorization
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.kinds.authorization_policy import AUTHORIZATION_POLICIES
from podwire.mesh.kinds.request_authentication import REQUEST_AUTHENTICATIONS
from podwire.mesh.kinds.transport_policy import TRANSPORT_POLICIES


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
