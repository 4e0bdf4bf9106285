"""What a pod's resolver does with a name: queries in order, answers with their objects, policies on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from podwire.insight.name.answer import Objects, opened, report, shown
from podwire.insight.name.report import Report
from podwire.insight.snapshot.ends import EndError
from podwire.insight.snapshot.opening import Sources
from tests.insight.snapshot.written_text import snapshot

SHOP = """
apiVersion: v1
kind: Pod
metadata: {name: frontend, namespace: shop, labels: {app: frontend}}
spec: {containers: [{name: a, image: a}]}
---
apiVersion: v1
kind: Pod
metadata: {name: tuned, namespace: shop, labels: {app: tuned}}
spec:
  dnsConfig: {searches: [corp.test], options: [{name: ndots, value: "2"}]}
  containers: [{name: a, image: a}]
---
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: shop}
spec: {hostNetwork: true, containers: [{name: a, image: a}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: stock}
spec: {selector: {app: cart}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: out, namespace: shop}
spec: {type: ExternalName, externalName: api.example.org}
"""
DENY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Egress]}
"""
WEB_ONLY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: dns, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{ports: [{port: 53, protocol: UDP}]}]
"""
COREFILE = (
    ". {\nkubernetes cluster.local\nforward . 192.0.2.53\n}\ncorp.test {\nhosts {\n192.0.2.7 web.corp.test\n}\n}\n"
)


def requested(name: str, client: str, *texts: str, corefile: str = COREFILE) -> Report:
    return report(name, client, Objects(snapshot(SHOP, *texts), {"Corefile": corefile}))


def rows(found: Report) -> list[tuple[str, str, str]]:
    return [(one.name, one.type, one.code) for one in found.queries]


def reasons(found: Report) -> list[str]:
    return [one.reason for one in found.findings]


def test_a_service_of_the_own_namespace_is_the_first_query() -> None:
    found = requested("web", "shop/frontend")
    assert rows(found) == [
        ("web.shop.svc.cluster.local.", "A", "NOERROR"),
        ("web.shop.svc.cluster.local.", "AAAA", "NODATA"),
    ]
    assert found.queries[0].origin == "Service shop/web"
    assert found.resolver.searches == ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")
    assert reasons(found) == []


def test_an_outside_name_goes_through_the_search_list_first() -> None:
    found = requested("api.github.com", "shop/frontend")
    assert [one.name for one in found.queries[::2]] == [
        "api.github.com.shop.svc.cluster.local.",
        "api.github.com.svc.cluster.local.",
        "api.github.com.cluster.local.",
        "api.github.com.",
    ]
    assert found.queries[-1].origin == "forwarded to 192.0.2.53"
    assert reasons(found) == ["SearchListInVain"]
    assert "Write api.github.com. with the last dot" in found.findings[0].remedy
    assert len(requested("api.github.com.", "shop/frontend").queries) == 2


def test_the_pods_own_ndots_and_searches_count() -> None:
    found = requested("api.github.com", "shop/tuned")
    assert found.resolver.ndots == 2
    assert rows(found)[0] == ("api.github.com.", "A", "FORWARDED")
    assert reasons(found) == []
    found = requested("web.corp.test.", "shop/tuned")
    assert found.queries[0].records == ("192.0.2.7",)
    assert found.queries[0].origin == ""


def test_an_external_name_leads_to_where_its_target_is_forwarded() -> None:
    found = requested("out", "shop/frontend")
    assert rows(found)[0] == ("out.shop.svc.cluster.local.", "A", "FORWARDED")


def test_a_service_of_another_namespace_is_named() -> None:
    found = requested("cart", "shop/frontend")
    assert "OtherNamespace" in reasons(found)
    assert found.findings[-1].remedy == "Write cart.stock."


def test_policies_between_the_pod_and_the_name_server() -> None:
    found = requested("web", "shop/frontend", DENY)
    assert found.answer == "not resolved: no query reaches the cluster's DNS"
    assert found.findings[0].text.startswith(
        "DNS blocked by default-deny egress: shop/default-deny isolates shop/frontend"
    )
    assert "port: 53" in found.changes[0].yaml
    assert "DNS blocked by default-deny egress" in shown(found, json=False)
    by_udp = requested("web", "shop/frontend", DENY, WEB_ONLY)
    assert reasons(by_udp) == ["DnsBlockedByTcp"]


def test_a_pod_that_does_not_use_the_clusters_dns() -> None:
    found = requested("web", "pod/host", "", "")
    assert found.queries == ()
    assert reasons(found) == ["OtherNameServer"]
    assert found.findings[0].remedy == "Set dnsPolicy to ClusterFirstWithHostNet."


def test_a_written_corefile_is_read(tmp_path: Path) -> None:
    corefile = tmp_path / "all.yaml"
    data = {"Corefile": ". {\nkubernetes corp.example\n}\n"}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "data": data}
    config_map["metadata"] = {"name": "coredns", "namespace": "kube-system"}
    corefile.write_text(f"{SHOP}---\n{yaml.safe_dump(config_map)}")
    found = report("web", "shop/frontend", opened(Sources((str(corefile),)), None))
    assert found.queries[0].name == "web.shop.svc.corp.example."


def test_what_cannot_be_explained_is_an_error_or_said() -> None:
    with pytest.raises(EndError, match="only pods have a resolver"):
        requested("web", "outside")
    found = requested("web", "shop/frontend", corefile=". {\ngeoip\n}")
    assert reasons(found) == ["CorefileRejected"]
    assert "line 2: unknown plugin" in found.findings[0].text


HEADLESS = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 2
  ordinals: {start: 3}
  serviceName: db
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: a, image: a, ports: [{name: pg, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: pg, port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: database, namespace: shop}
spec: {type: ExternalName, externalName: db-4.db.shop.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: lost, namespace: shop}
spec: {type: ExternalName, externalName: db-0.db.shop.svc.cluster.local}
"""


def test_a_written_headless_service_has_the_addresses_of_its_pods() -> None:
    found = requested("db", "shop/frontend", HEADLESS)
    assert found.queries[0].records == ("an address of pod shop/db-3", "an address of pod shop/db-4")
    assert rows(requested("db-4.db", "shop/frontend", HEADLESS))[0] == (
        "db-4.db.shop.svc.cluster.local.",
        "A",
        "NOERROR",
    )
    first = requested("db-0.db", "shop/frontend", HEADLESS).queries[0]
    assert (first.code, first.records) == ("NXDOMAIN", ())
    nobody = HEADLESS.replace("replicas: 2", "replicas: 0")
    assert "NoReadyEndpoint" in reasons(requested("db", "shop/frontend", nobody))


def test_an_alias_is_named_with_what_its_target_is() -> None:
    found = requested("out", "shop/frontend")
    assert found.answer == "an alias of api.example.org., which is forwarded to 192.0.2.53"
    assert len(found.queries) == 2
    assert found.queries[0].records == ("CNAME api.example.org.",)
    assert found.queries[0].origin == "Service shop/out, forwarded to 192.0.2.53"
    inside = requested("database", "shop/frontend", HEADLESS)
    assert inside.queries[0].records == ("CNAME db-4.db.shop.svc.cluster.local.", "an address of pod shop/db-4")
    lost = requested("lost", "shop/frontend", HEADLESS)
    assert "AliasOfNothing" in reasons(lost)
    assert "no address" not in shown(inside, json=False)
