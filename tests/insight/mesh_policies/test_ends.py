"""Which pods of a cluster are enrolled."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.insight.mesh_policies.ends import workloads
from podwire.kube.core import Namespace, Pod
from podwire.kube.services import Service

SELECTOR = {"app": "web"}


def named(name: str, **labels: str) -> dict[str, Any]:
    return {"name": name, "namespace": "shop", "labels": labels}


def test_a_service_with_the_label_enrols_its_pods() -> None:
    namespace = msgspec.convert({"metadata": {"name": "shop"}}, Namespace)
    pods = [
        msgspec.convert({"metadata": named(name, app=name), "status": {"podIPs": [{"ip": address}]}}, Pod)
        for name, address in (("web", "10.1.0.1"), ("db", "10.1.0.2"))
    ]
    spec = {"selector": SELECTOR}
    plain = msgspec.convert({"metadata": named("web"), "spec": spec}, Service)
    labelled = msgspec.convert({"metadata": named("web", **{"podwire.dev/mesh": "enabled"}), "spec": spec}, Service)
    assert [one.enrolled for one in workloads([namespace], pods, [plain])] == [False, False]
    assert [one.enrolled for one in workloads([namespace], pods, [labelled])] == [True, False]
