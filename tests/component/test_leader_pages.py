from __future__ import annotations

from collections.abc import Iterator

from podwire.component.leader_pages import leader_pages
from podwire.component.metrics import Family
from podwire.kube.client import Client
from podwire.kube.credentials import Credentials
from podwire.kube.informer import Informer
from podwire.kube.kinds import NODES
from podwire.kube.leader_election import LeaderElector
from podwire.kube.meta import NamespacedName


def families() -> Iterator[Family]:
    yield Family("podwire_test", "One.", "gauge", (({}, 1.0),))


def test_a_process_is_ready_when_it_is_synced_and_can_read_all_kinds() -> None:
    client = Client(Credentials("https://192.0.2.1"))
    elector, informer = LeaderElector(client, NamespacedName("a", "b"), "me"), Informer(client, NODES)
    found: list[bool] = []
    pages = leader_pages(elector, lambda: (informer,), families, lambda: bool(found))
    assert pages["/healthz"]().status == 200
    assert pages["/readyz"]().status == 503
    assert "nodes: not listed yet" in pages["/readyz"]().body
    informer.synced.set()
    assert pages["/readyz"]().status == 503
    found.append(True)
    assert pages["/readyz"]().status == 200


def test_metrics_are_the_programs_own_with_those_of_informers_and_the_process() -> None:
    client = Client(Credentials("https://192.0.2.1"))
    elector = LeaderElector(client, NamespacedName("a", "b"), "me")
    text = leader_pages(elector, lambda: (Informer(client, NODES),), families)["/metrics"]().body
    assert "podwire_test 1" in text
    assert 'podwire_informer_objects{resource="nodes"}' in text
    assert "process_" in text
