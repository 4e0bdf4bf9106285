"""The mesh is not removed from under what is enrolled."""

from __future__ import annotations

import pytest

from podwire.install import mesh_cleanup
from podwire.install.cluster_objects import InstallError
from podwire.kube.kinds import NAMESPACES, PODS, SERVICES
from podwire.redirection.enrolment import ENABLED, ISTIO_LABEL, LABEL, REDIRECTED
from tests.kube.fake_api import FakeApi


async def test_what_is_enrolled_keeps_the_mesh() -> None:
    api = FakeApi()
    api.put(NAMESPACES, "shop", metadata={"labels": {LABEL: "disabled"}})
    await mesh_cleanup.refuse_while_enrolled(api)
    api.put(NAMESPACES, "shop", metadata={"labels": {LABEL: ENABLED}})
    api.put(SERVICES, "web", "other", metadata={"labels": {ISTIO_LABEL: "ambient"}})
    with pytest.raises(InstallError, match=f"Namespace shop, Service other/web; .* labels {LABEL} and {ISTIO_LABEL}"):
        await mesh_cleanup.refuse_while_enrolled(api)


async def test_pods_that_nodes_still_lead_to_it_keep_it_too() -> None:
    api = FakeApi()
    api.put(PODS, "web", "shop", metadata={"labels": {REDIRECTED: ENABLED}})
    with pytest.raises(InstallError, match=f"of 1 pods .* shop/web: run this again when .*{REDIRECTED}"):
        await mesh_cleanup.refuse_while_enrolled(api)
