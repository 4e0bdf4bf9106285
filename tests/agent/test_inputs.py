"""What an agent keeps of Services."""

from __future__ import annotations

from podwire.agent.inputs import kept_service
from podwire.agent.redirecting import enrolled_selector
from podwire.kube.kept_objects import KeptObjects
from podwire.kube.meta import ObjectMeta
from podwire.kube.services import Service, ServiceSpec
from podwire.redirection.enrolment import DISABLED, ENABLED, LABEL


def test_the_selector_is_kept_of_services_that_enrol_their_pods() -> None:
    for label, wanted in ((ENABLED, {"app": "web"}), (DISABLED, None), ("", None)):
        whole = Service(
            metadata=ObjectMeta(name="web", namespace="shop", labels={LABEL: label, "team": "a"}),
            spec=ServiceSpec(selector={"app": "web"}, cluster_ip="10.96.0.1"),
        )
        kept = kept_service(KeptObjects(), whole)
        assert enrolled_selector(kept) == wanted, label
        assert kept.spec.cluster_ip == "10.96.0.1"
        assert "team" not in kept.metadata.labels
