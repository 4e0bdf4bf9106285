"""Which Services' addresses are the cluster's DNS: from changes, in any number."""

from __future__ import annotations

import ipaddress

from podwire.agent.resolvers import Resolvers
from podwire.kube.meta import ObjectMeta
from podwire.kube.services import Service, ServiceSpec
from podwire.kube.watch import Change


def _service(name: str, address: str, namespace: str = "kube-system", **labels: str) -> Service:
    return Service(
        metadata=ObjectMeta(name=name, namespace=namespace, labels=labels),
        spec=ServiceSpec(cluster_ip=address, cluster_ips=(address,)),
    )


def _shown(resolvers: Resolvers) -> set[str]:
    return set(map(str, resolvers.addresses))


def test_the_service_by_its_name_and_others_by_their_label() -> None:
    resolvers = Resolvers()
    assert resolvers.service_changed(Change(None, _service("kube-dns", "10.96.0.10")))
    labelled = _service("second", "fd00::a", **{"k8s-app": "kube-dns"})
    assert resolvers.service_changed(Change(None, labelled))
    assert resolvers.addresses == {ipaddress.ip_address("10.96.0.10"), ipaddress.ip_address("fd00::a")}


def test_other_services_change_nothing() -> None:
    resolvers = Resolvers()
    assert not resolvers.service_changed(Change(None, _service("web", "10.96.0.20")))
    elsewhere = _service("kube-dns", "10.96.0.21", "shop", **{"k8s-app": "kube-dns"})
    assert not resolvers.service_changed(Change(None, elsewhere))
    assert not _shown(resolvers)


def test_another_address_a_lost_label_and_a_removal() -> None:
    resolvers = Resolvers()
    first, moved = _service("kube-dns", "10.96.0.10"), _service("kube-dns", "10.96.0.11")
    resolvers.service_changed(Change(None, first))
    assert not resolvers.service_changed(Change(first, first))
    assert resolvers.service_changed(Change(first, moved))
    assert _shown(resolvers) == {"10.96.0.11"}
    labelled, bare = _service("second", "10.96.0.12", **{"k8s-app": "kube-dns"}), _service("second", "10.96.0.12")
    resolvers.service_changed(Change(None, labelled))
    assert resolvers.service_changed(Change(labelled, bare))
    assert resolvers.service_changed(Change(moved, None))
    assert not _shown(resolvers)


def test_a_headless_service_and_unreadable_addresses_are_none() -> None:
    resolvers = Resolvers()
    resolvers.service_changed(Change(None, _service("kube-dns", "None")))
    assert not _shown(resolvers)
