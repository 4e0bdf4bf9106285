"""Ingresses to resources: what depends on a change, and the same as derived from the beginning."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from podwire.edge.controller.ingress_translation import IngressTranslation
from podwire.edge.controller.refusals import culprits
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.kinds import Ingress, IngressClass
from podwire.edge.ingress.servers import Server
from podwire.edge.ingress.virtual_hosts import virtual_hosts
from podwire.edge.model.tls import Certificate
from podwire.edge.xds.resource import CLUSTER, ENDPOINTS, LISTENER, VIRTUAL_HOST, Key, Resource
from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from tests.edge.ingress.objects import ingress, path

DEFAULT = Certificate("ingress/default", "chain", "key")
CONTROLLER = "example.com/controller"


class Cluster:
    """Objects and their translation, as a proxy has it."""

    def __init__(self) -> None:
        self.ingresses = Ingresses((CONTROLLER,), without_class=True)
        self.objects = Objects()
        self.translation = IngressTranslation(self.ingresses, self.objects)
        self.translation.default = DEFAULT
        self.resources: dict[Key, Resource] = {}
        self.hosts: set[str] = set()
        self.services: set[NamespacedName] = set()

    def service(self, name: str, *endpoints: str) -> None:
        metadata = {"name": name, "namespace": "shop"}
        spec = {"ports": [{"port": 80}], "ipFamilies": ["IPv4"]}
        self.objects.put("Service", msgspec.convert({"metadata": metadata, "spec": spec}, Service))
        labels = {"kubernetes.io/service-name": name}
        body: dict[str, Any] = {
            "metadata": {**metadata, "labels": labels},
            "addressType": "IPv4",
            "ports": [{"port": 8080}],
            "endpoints": [{"addresses": [one], "conditions": {"ready": True}} for one in endpoints],
        }
        self.objects.put("EndpointSlice", msgspec.convert(body, EndpointSlice))
        key = NamespacedName("shop", name)
        self.services.add(key)
        self.hosts |= self.ingresses.hosts_that_need("Service", key)

    def put(self, item: Ingress) -> None:
        self.hosts |= self.ingresses.put(item)

    def remove(self, name: str) -> None:
        self.hosts |= self.ingresses.remove(NamespacedName("shop", name))

    def apply(self, *, certificates: bool = True) -> tuple[set[Key], set[Key]]:
        """Return what was sent and what was removed."""
        found = self.translation.difference(self.hosts, self.services, certificates=certificates)
        self.hosts, self.services = set(), set()
        self.resources |= {one.key: one for one in found.upserts}
        for key in found.removals:
            del self.resources[key]
        assert self.resources == {one.key: one for one in self.translation.resources()}
        return {one.key for one in found.upserts}, set(found.removals)

    def domains(self) -> set[str]:
        return {name for kind, name in self.resources if kind == VIRTUAL_HOST}


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster()
    made.service("web", "10.0.0.1")
    made.put(ingress("a", path("/"), host="a.example.com"))
    made.put(ingress("b", path("/"), host="b.example.com"))
    made.apply()
    return made


def test_pages_of_errors_without_their_service_are_reported() -> None:
    cluster = Cluster()
    cluster.service("web", "10.0.0.1")
    cluster.put(ingress("a", path("/"), host="a.test", custom_http_errors="404"))
    cluster.put(ingress("b", path("/"), host="b.test", custom_http_errors="404", default_backend="web"))
    cluster.apply()
    assert "custom-http-errors" in str(list(cluster.translation.problems(["a.test"])))
    assert list(cluster.translation.problems(["b.test"])) == []


def test_an_alias_that_is_a_host_is_reported_and_has_no_effect() -> None:
    cluster = Cluster()
    cluster.service("web", "10.0.0.1")
    cluster.put(ingress("a", path("/"), host="a.test", server_alias="b.test,c.test"))
    cluster.put(ingress("b", path("/"), host="b.test"))
    cluster.apply()
    problems = list(cluster.translation.problems(["a.test", "b.test"]))
    assert [getattr(one, "reason", "") for one in problems] == ["AliasInUse"]
    assert "server-alias b.test" in str(problems[0])


def test_a_change_costs_what_depends_on_it(cluster: Cluster) -> None:
    cluster.put(ingress("a", path("/x"), host="a.example.com"))
    sent, removed = cluster.apply()
    assert sent == {(VIRTUAL_HOST, f"ingress:{one}/a.example.com") for one in ("http", "https")}
    assert not removed
    cluster.service("web", "10.0.0.1", "10.0.0.2")
    sent, removed = cluster.apply()
    assert {kind for kind, _ in sent} == {ENDPOINTS}
    assert not removed
    assert cluster.apply() == (set(), set())


def test_the_first_ingress_brings_the_listeners_without_any_certificate() -> None:
    made = Cluster()
    made.put(ingress("a", path("/")))
    sent, _ = made.apply(certificates=False)
    assert len([name for kind, name in sent if kind == LISTENER]) == 2
    made.put(ingress("b", path("/"), host="b.example.com"))
    sent, _ = made.apply(certificates=False)
    assert {kind for kind, _ in sent} == {VIRTUAL_HOST}


def test_clusters_exist_while_some_host_uses_them(cluster: Cluster) -> None:
    cluster.remove("a")
    assert not {kind for kind, _ in cluster.apply()[1]} & {CLUSTER, ENDPOINTS}
    cluster.remove("b")
    assert {CLUSTER, ENDPOINTS} <= {kind for kind, _ in cluster.apply()[1]}
    assert not cluster.domains()


def test_an_alias_gives_way_to_a_host_of_its_own(cluster: Cluster) -> None:
    cluster.put(ingress("c", path("/"), host="c.example.com", server_alias="b.example.com, z.example.com"))
    cluster.apply()
    assert "ingress:http/z.example.com" in cluster.domains()
    before = cluster.resources[VIRTUAL_HOST, "ingress:http/b.example.com"]
    cluster.remove("b")
    cluster.apply()
    assert cluster.resources[VIRTUAL_HOST, "ingress:http/b.example.com"] != before
    cluster.put(ingress("b", path("/"), host="b.example.com"))
    cluster.apply()
    assert cluster.resources[VIRTUAL_HOST, "ingress:http/b.example.com"] == before
    cluster.remove("c")
    cluster.apply()
    assert cluster.domains() == {f"ingress:{t}/{h}.example.com" for t in ("http", "https") for h in ("a", "b")}


def test_only_the_classes_of_the_controller_are_served() -> None:
    found = Ingresses((CONTROLLER,))
    named = msgspec.convert(
        {
            "metadata": {"name": "a", "namespace": "shop"},
            "spec": {"ingressClassName": "ours", "rules": [{"host": "a"}]},
        },
        Ingress,
    )
    assert not found.put(named)
    for controller, served in (("example.com/other", False), (CONTROLLER, True)):
        item = msgspec.convert({"metadata": {"name": "ours"}, "spec": {"controller": controller}}, IngressClass)
        assert found.put_class(item) == (frozenset({"a"}) if served else frozenset())
    assert found.remove_class("ours") == frozenset({"a"})
    assert not found.put(ingress("without", path("/")))


HOSTS = ("a.example.com", "b.example.com", "*.example.com", "", "www.a.example.com")


def _random_ingress(choose: random.Random, name: str) -> Ingress:
    paths = [path(choose.choice(("/", "/x", "/y(.*)")), choose.choice(("web", "api"))) for _ in range(2)]
    annotations = {
        "server_alias": choose.choice(("", "b.example.com", "z.example.com")),
        "from_to_www_redirect": choose.choice(("true", "false")),
        "canary": choose.choice(("true", "false", "false")),
        "use_regex": choose.choice(("true", "false", "false")),
    }
    default = choose.choice(("", "api"))
    return ingress(name, *paths, host=choose.choice(HOSTS), default=default, tls=(), **annotations)


@pytest.mark.parametrize("seed", range(30))
def test_the_result_does_not_depend_on_the_order_of_changes(seed: int) -> None:
    choose = random.Random(seed)
    worked = Cluster()
    present: dict[str, Ingress] = {}
    endpoints: dict[str, str] = {}
    for _ in range(30):
        name = choose.choice("abcd")
        match choose.randrange(4):
            case 0:
                worked.remove(name)
                present.pop(name, None)
            case 1:
                service = choose.choice(("web", "api"))
                endpoints[service] = f"10.0.0.{choose.randrange(9)}"
                worked.service(service, endpoints[service])
            case _:
                present[name] = _random_ingress(choose, name)
                worked.put(present[name])
        if choose.randrange(2):
            worked.apply()
    worked.apply()
    fresh = Cluster()
    for service, address in endpoints.items():
        fresh.service(service, address)
    for item in present.values():
        fresh.put(item)
    fresh.apply()
    assert worked.resources == fresh.resources


def test_the_ingress_that_changed_is_to_blame_for_a_refused_host() -> None:
    cluster = Cluster()
    cluster.service("web", "10.0.0.1")
    cluster.put(ingress("good", path("/good")))
    cluster.put(ingress("other", path("/other")))
    cluster.apply()
    host: Key = (VIRTUAL_HOST, "ingress:http/app.example.com")
    both = {Owner("Ingress", "shop", name) for name in ("good", "other")}
    assert set(culprits(host, cluster.translation)) == both
    cluster.translation.acknowledge(host)
    cluster.put(ingress("other", path("/changed")))
    cluster.apply()
    assert set(culprits(host, cluster.translation)) == {Owner("Ingress", "shop", "other")}
    cluster.remove("other")
    cluster.remove("good")
    cluster.apply()
    assert not set(culprits(host, cluster.translation))


def test_ingresses_that_lead_to_a_refused_cluster_are_to_blame() -> None:
    cluster = Cluster()
    cluster.service("web", "10.0.0.1")
    cluster.service("new", "10.0.0.2")
    cluster.put(ingress("app", path("/")))
    cluster.put(ingress("new", path("/", "new"), host="new.example.com"))
    upserts, _ = cluster.apply()
    named = next(key for key in upserts if key[0] == CLUSTER and "/new/" in key[1])
    assert set(culprits(named, cluster.translation)) == {Owner("Ingress", "shop", "new")}


def test_a_host_that_cannot_be_derived_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    cluster.service("web", "10.0.0.1")
    cluster.put(ingress("bad", path("/before"), host="bad.example.com"))
    cluster.apply()

    def broken(found: Server, *arguments: Any, **named: Any) -> Any:
        if found.host == "bad.example.com":
            raise ZeroDivisionError("no reason")
        return virtual_hosts(found, *arguments, **named)

    monkeypatch.setattr("podwire.edge.controller.ingress_translation.virtual_hosts", broken)
    cluster.put(ingress("bad", path("/after"), host="bad.example.com"))
    cluster.put(ingress("good", path("/")))
    upserts, removals = cluster.apply()
    assert (VIRTUAL_HOST, "ingress:http/app.example.com") in upserts
    assert (VIRTUAL_HOST, "ingress:http/bad.example.com") not in upserts | removals
    assert "no reason" in cluster.translation.faults.of(Owner("Ingress", "shop", "bad"))
    monkeypatch.undo()
    cluster.put(ingress("bad", path("/again"), host="bad.example.com"))
    cluster.apply()
    assert not cluster.translation.faults.of(Owner("Ingress", "shop", "bad"))
