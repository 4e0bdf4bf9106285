"""What is explained of requests is what a world does with them: real packets, a real Envoy, real policies."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from podwire.insight.target import Choice, Target, choose
from podwire.insight.trace import answer as traced
from podwire.insight.url import answer
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.question import question
from podwire.pki.certificates import Authority
from podwire.testing import World, eventually
from tests.world.harness import Home, running

pytestmark = pytest.mark.long

PAIR = Authority.create("world").server(("*.example.org",))
PODS = "\n".join(
    f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec: {{nodeName: {node}, terminationGracePeriodSeconds: 1, containers: [{{name: web, image: nginx}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{app: {name}}}, ports: [{{port: 80}}]}}
"""
    for name, namespace, node in (
        ("web", "shop", "node-1"), ("api", "shop", "node-2"), ("closed", "shop", "node-2"),
        ("pay", "payments", "node-1"), ("client", "shop", "node-2"), ("mute", "locked", "node-2"),
    )
)  # fmt: skip
MANIFEST = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: shop}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: payments}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: locked}}
---
apiVersion: v1
kind: Secret
metadata: {{name: server, namespace: shop}}
type: kubernetes.io/tls
data:
  tls.crt: {base64.b64encode(PAIR.certificate).decode()}
  tls.key: {base64.b64encode(PAIR.key).decode()}
{PODS}---
apiVersion: v1
kind: Service
metadata: {{name: empty, namespace: shop}}
spec: {{selector: {{app: nobody}}, ports: [{{port: 80}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: closed, namespace: shop}}
spec: {{podSelector: {{matchLabels: {{app: closed}}}}, policyTypes: [Ingress]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: api, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: api}}}}
  ingress:
    - from: [{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: podwire-system}}}}}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: dns-only, namespace: locked}}
spec:
  podSelector: {{}}
  policyTypes: [Egress]
  egress: [{{ports: [{{port: 53, protocol: UDP}}]}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gw, namespace: shop}}
spec:
  gatewayClassName: podwire
  listeners:
    - {{name: http, port: 80, protocol: HTTP}}
    - name: https
      port: 443
      protocol: HTTPS
      hostname: "*.example.org"
      tls: {{certificateRefs: [{{name: server}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: app, namespace: shop}}
spec:
  parentRefs: [{{name: gw}}]
  hostnames: [app.example.org]
  rules:
    - backendRefs: [{{name: web, port: 80}}]
    - {{matches: [{{path: {{value: /api}}}}], backendRefs: [{{name: api, port: 80}}]}}
    - {{matches: [{{path: {{value: /split}}}}], backendRefs: [{{name: web, port: 80}}, {{name: api, port: 80}}]}}
    - {{matches: [{{path: {{value: /closed}}}}], backendRefs: [{{name: closed, port: 80}}]}}
    - {{matches: [{{path: {{value: /pay}}}}], backendRefs: [{{name: pay, namespace: payments, port: 80}}]}}
    - {{matches: [{{path: {{value: /empty}}}}], backendRefs: [{{name: empty, port: 80}}]}}
    - {{matches: [{{path: {{value: /absent}}}}], backendRefs: [{{name: absent, port: 80}}]}}
    - matches: [{{path: {{type: Exact, value: /moved}}}}]
      filters: [{{type: RequestRedirect, requestRedirect: {{hostname: new.example.org, statusCode: 301}}}}]
    - {{matches: [{{method: DELETE}}], backendRefs: [{{name: api, port: 80}}]}}
    - {{matches: [{{headers: [{{name: X-Version, value: v2}}]}}], backendRefs: [{{name: api, port: 80}}]}}
"""


class Case(NamedTuple):
    """A request, and the status that it has; 0: no answer."""

    url: str
    status: int
    client: str = "outside"
    method: str = "GET"
    headers: tuple[str, ...] = ()


HTTP, HTTPS = "http://app.example.org", "https://app.example.org"
PATHS = (("/", 200), ("/api/x", 200), ("/split", 200), ("/pay", 500), ("/empty", 503), ("/moved", 301))
CASES = [
    *(Case(f"{place}{path}", status, client)
      for client in ("outside", "shop/client")
      for place in (HTTP, HTTPS)
      for path, status in PATHS),
    Case(f"{HTTP}/absent", 500),
    Case(f"{HTTP}/closed", 503),
    Case(f"{HTTP}/", 200, method="DELETE"),
    Case(f"{HTTP}/", 200, headers=("X-Version: v2",)),
    Case(f"{HTTP}/", 400, headers=("x_version: v2",)),
    Case("http://other.example.org/", 404),
    Case("https://other.example.org/", 404),
    Case("https://app.example.com/", 0),
    Case(f"{HTTP}:443/", 0),
    Case(f"{HTTPS}:80/", 0),
    Case(f"{HTTP}/", 0, "locked/mute"),
    Case("http://web/", 200, "shop/client"),
    Case("http://api.shop/", 0, "shop/client"),
    Case("http://pay.payments.svc.cluster.local/", 0, "locked/mute"),
    Case("http://empty/", 0, "shop/client"),
]  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    for world in running(Home(tmp_path_factory.mktemp("trace")), "trace", "--nodes", "2"):
        world.apply(MANIFEST)
        for namespace in ("shop", "payments", "locked"):
            world.wait(namespace)
        wait_for_gateway(world)
        yield world


def wait_for_gateway(world: World) -> None:
    eventually(lambda: is_programmed(world), 90, "the Gateway programmed")


def is_programmed(world: World) -> bool:
    found = world.kubectl.json("gateway", "gw", "-n", "shop").get("status", {}).get("conditions", ())
    return any((one["type"], one["status"]) == ("Programmed", "True") for one in found)


class Seen(NamedTuple):
    """The world, with what there is in it."""

    target: Target
    objects: UrlObjects


@pytest.fixture(scope="module")
def seen(here: World) -> Iterator[Seen]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in here.home.environment.items():
            patch.setenv(name, value)
        target = choose(Choice(here.name))
        yield Seen(target, answer.of_target(target))


@pytest.mark.parametrize("case", CASES, ids=lambda one: f"{one.client} {one.method} {one.url} {one.headers}")
def test_what_happens_is_what_is_explained(seen: Seen, case: Case) -> None:
    wanted = question(case.url, case.client, case.method, case.headers)
    timeout = 30.0 if case.status else 3.0
    report = traced.trace(wanted, seen.target, seen.objects, traced.Protocols(), timeout)
    assert (report.status, report.agrees) == (case.status, True), traced.shown(report, json=False)
