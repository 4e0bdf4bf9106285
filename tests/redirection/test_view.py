"""Which rows pods and peers have."""

from __future__ import annotations

import ipaddress

from podwire.kube.meta import NamespacedName
from podwire.redirection.enrolment import DISABLED, ENABLED, LABEL
from podwire.redirection.view import CLUSTER, LocalPod, RedirectionView

RANGES = (
    ipaddress.ip_network("10.244.0.0/17"),
    ipaddress.ip_network("10.244.128.0/17"),
    ipaddress.ip_network("fd00::/56"),
)
WEB, FAR = NamespacedName("shop", "web"), NamespacedName("shop", "far")
FOUR, SIX = ipaddress.ip_address("10.244.1.5"), ipaddress.ip_address("fd00::5")


def pod(**labels: str) -> LocalPod:
    return LocalPod(WEB, labels, (FOUR, SIX))


def lines(view: RedirectionView, owner: NamespacedName) -> list[str]:
    return [str(row) for row in view.rows(owner)]


def enrolled_view() -> RedirectionView:
    view = RedirectionView(RANGES)
    view.namespace_changed("shop", {LABEL: ENABLED})
    view.pod_changed(WEB, pod())
    return view


def test_an_enrolled_pod_has_rows_of_both_families() -> None:
    view = enrolled_view()
    assert view.enrolled == (WEB,)
    assert lines(view, WEB) == [
        "enrolled4 10.244.1.5",
        "self4 10.244.1.5 . 10.244.1.5",
        "enrolled6 fd00::5",
        "self6 fd00::5 . fd00::5",
    ]


def test_no_rows_without_enrolment() -> None:
    view = RedirectionView(RANGES)
    view.pod_changed(WEB, pod())
    assert lines(view, WEB) == []  # the namespace is not known
    view.namespace_changed("shop", {})
    assert lines(view, WEB) == []
    view.namespace_changed("shop", {LABEL: ENABLED})
    view.pod_changed(WEB, pod(**{LABEL: DISABLED}))
    assert lines(view, WEB) == []
    assert view.enrolled == ()


def test_a_namespace_concerns_its_pods_only() -> None:
    view = enrolled_view()
    assert view.namespace_changed("shop", {}) == (WEB,)
    assert view.namespace_changed("other", {LABEL: ENABLED}) == ()
    view.namespace_changed("shop", None)
    assert lines(view, WEB) == []


def test_peers() -> None:
    view = enrolled_view()
    assert view.peer_changed(FAR, (FOUR, SIX)) == (FAR,)
    assert lines(view, FAR) == ["peers4 10.244.1.5", "peers6 fd00::5"]
    assert FAR in view.owners
    view.peer_changed(FAR, ())
    assert lines(view, FAR) == []
    assert set(view.owners) == {CLUSTER, WEB}


def test_ranges_are_disjoint() -> None:
    assert lines(RedirectionView(RANGES), CLUSTER) == ["ranges4 10.244.0.0/16", "ranges6 fd00::/56"]


def test_pods_of_an_enrolled_service_are_enrolled() -> None:
    view = RedirectionView(RANGES)
    view.namespace_changed("shop", {})
    view.pod_changed(WEB, pod(app="web"))
    other = NamespacedName("other", "web")
    assert view.service_changed(other, {"app": "web"}) == ()
    assert view.service_changed(FAR, {"app": "api"}) == (WEB,)
    assert not view.is_enrolled(WEB)
    assert view.service_changed(FAR, {"app": "web"}) == (WEB,)
    assert view.is_enrolled(WEB)
    assert view.service_changed(FAR, {"app": "web"}) == ()
    view.pod_changed(WEB, pod(app="web", **{LABEL: DISABLED}))
    assert not view.is_enrolled(WEB)
    view.pod_changed(WEB, pod(app="web"))
    assert view.service_changed(FAR, None) == (WEB,)
    assert not view.is_enrolled(WEB)


def test_a_pod_that_is_gone_has_no_rows() -> None:
    view = enrolled_view()
    view.pod_changed(WEB, None)
    assert lines(view, WEB) == []
