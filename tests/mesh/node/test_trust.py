"""The bundle of a node follows the ConfigMap, and nothing else makes it smaller."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from podwire.kube.kinds import CONFIG_MAPS
from podwire.mesh.identity.trust_objects import TRUST, trust_data
from podwire.mesh.node import trust
from podwire.mesh.node.certificates import Certificates
from podwire.pki import authorities
from tests.mesh.fake_mesh_api import MeshApi
from tests.mesh.node.test_certificates import FakeSigner, until


async def test_a_bundle_that_cannot_be_used_or_is_deleted_changes_nothing() -> None:
    api, signer = MeshApi(), FakeSigner()
    certificates = Certificates(signer)
    first = signer.bundle()

    def publish(**changed: str) -> None:
        api.put(CONFIG_MAPS, TRUST.name, TRUST.namespace, data={**trust_data(first, "cluster.local", ""), **changed})

    publish()
    api.put(CONFIG_MAPS, "another", TRUST.namespace, data=trust_data(first, "cluster.local", ""))
    task = asyncio.create_task(trust.follow(api, certificates.trust).run())
    try:
        await until(lambda: certificates.bundle == first)
        publish(**{"roots.pem": ""})
        publish(**{"revocations.pem": "-----BEGIN X509 CRL-----\nnothing\n-----END X509 CRL-----\n"})
        second = authorities.create_root("cluster.local", datetime.now(UTC), timedelta(days=1)).certificate.decode()
        publish(**{"roots.pem": first.roots + second})
        await until(lambda: certificates.bundle.roots == first.roots + second)
        assert certificates.bundle.revocations == ""
        api.remove(CONFIG_MAPS, TRUST)
        publish(issuer="another")
        await until(lambda: certificates.bundle.issuer == "another")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
