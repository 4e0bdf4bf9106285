"""Ingresses in files: what is the same, differs or is lost, and what they are in Gateway API."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from podwire.insight.migration import gateway_routes, ingresses, report
from podwire.insight.migration.gateway_routes import Object
from podwire.insight.sources import reading
from podwire.insight.sources.manifests import ManifestError

EXAMPLES = Path(__file__).parents[3] / "examples" / "ingress"
INGRESS = """apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/use-regex: "true"
    nginx.ingress.kubernetes.io/rewrite-target: {target}
    nginx.ingress.kubernetes.io/configuration-snippet: return 200;
spec:
  rules:
    - host: app.example.com
      http:
        paths:
          - path: {path}
            pathType: ImplementationSpecific
            backend: {{service: {{name: web, port: {{number: 80}}}}}}
"""
TWO_NAMESPACES = """apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: main, namespace: shop}
spec:
  tls: [{hosts: [app.example.com], secretName: app}]
  rules:
    - host: app.example.com
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: canary
  namespace: other
  annotations: {nginx.ingress.kubernetes.io/canary: "true", nginx.ingress.kubernetes.io/canary-weight: "100"}
spec:
  rules:
    - host: app.example.com
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: admin, port: {number: 80}}}}]}
"""


def read(folder: Path, path: str = "/api(/|$)(.*)", target: str = "/$2") -> tuple[ingresses.Written, ...]:
    file = folder / "web.yaml"
    file.write_text(INGRESS.format(path=path, target=target))
    return ingresses.written(reading.read((str(file),)))


def routes(found: tuple[ingresses.Written, ...]) -> dict[str, Object]:
    made = gateway_routes.converted(found).objects
    return {one["metadata"]["name"]: one["spec"] for one in made if one["kind"] == "HTTPRoute"}


def test_each_line_has_its_verdict_and_place(tmp_path: Path) -> None:
    found = report.report(read(tmp_path))
    verdicts = {line.what.split(":")[0].rpartition("/")[2]: (line.verdict, line.place[-2:]) for line in found.lines}
    assert verdicts["use-regex"] == ("same", ":7")
    assert verdicts["rewrite-target"] == ("differs", ":8")
    assert verdicts["configuration-snippet"] == ("lost", ":9")
    assert report.text(found).endswith("2 same, 1 differs, 1 lost\n")


def test_a_path_that_is_no_expression_is_lost(tmp_path: Path) -> None:
    found = report.report(read(tmp_path, path="/(?=x)", target="/y"))
    assert [line.verdict for line in found.lines if "app.example.com" in line.what] == ["lost"]


def test_the_rewrite_of_tutorials_becomes_a_prefix(tmp_path: Path) -> None:
    (rule,) = routes(read(tmp_path))["web"]["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/api"}}]
    assert rule["filters"][0]["urlRewrite"] == {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
    other = read(tmp_path, path="/(a|b)/(.*)", target="/$2/$1")
    (rule,) = routes(other)["web"]["rules"]
    assert rule["matches"] == [{"path": {"type": "RegularExpression", "value": "/(a|b)/(.*).*"}}]
    assert any("needs groups" in one for one in gateway_routes.converted(other).unsaid)


def test_the_examples_are_converted() -> None:
    found = ingresses.written(reading.read((str(EXAMPLES),)))
    made = gateway_routes.converted(found)
    assert {one["kind"] for one in made.objects} == {"Gateway", "HTTPRoute"}
    canary = routes(found)["main"]["rules"]
    assert canary[0]["matches"][0]["headers"] == [{"type": "Exact", "name": "X-Canary", "value": "always"}]
    assert [one["weight"] for one in canary[1]["backendRefs"]] == [70, 30]
    (secured,) = (routes(found)[name] for name in ("tls-to-https",))
    assert secured["rules"][0]["filters"][0]["requestRedirect"]["scheme"] == "https"
    shown = gateway_routes.text(made)
    assert "60-protected.yaml:39: limit-rpm" in shown
    assert "30-rewrite.yaml:8: path /api(/|$)(.*) is matched in any case" in shown
    assert "20-minimal.yaml:15: path /testpath is matched in any case" in shown
    assert "limit-rpm has no field in Gateway API" in shown
    assert list(yaml.safe_load_all(shown)) == list(made.objects)
    assert "&id" not in shown


def test_an_ingress_that_checks_clients_has_no_open_route() -> None:
    found = ingresses.written(reading.read((str(EXAMPLES),)))
    assert "users" not in routes(found)
    assert any("web/users is left out" in one for one in gateway_routes.converted(found).unsaid)


def test_named_ports_are_those_of_the_services() -> None:
    objects = reading.read((str(EXAMPLES),))
    ports = gateway_routes.named_ports(ingresses.services(objects))
    made = gateway_routes.converted(ingresses.written(objects), ports=ports)
    assert not [one for one in made.unsaid if "port http" in one]
    hosts = next(one["spec"] for one in made.objects if one["metadata"]["name"] == "hosts")
    assert hosts["rules"][1]["backendRefs"] == [{"name": "api", "port": 80}]


def test_files_without_an_ingress_are_an_error(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("apiVersion: v1\nkind: ConfigMap\n")
    with pytest.raises(ManifestError, match="no Ingress"):
        ingresses.written(reading.read((str(file),)))


def test_namespaces_stay_apart(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text(TWO_NAMESPACES)
    main, canary = ingresses.written(reading.read((str(file),)))
    made = gateway_routes.converted((canary, main))
    route = next(one["spec"] for one in made.objects if one["metadata"]["name"] == "main")
    assert route["rules"][0]["backendRefs"] == [{"name": "web", "port": 80}]
    assert any("canary of another namespace" in one for one in made.unsaid)
    (grant,) = (one["spec"] for one in made.objects if one["kind"] == "ReferenceGrant")
    assert grant["to"] == [{"group": "", "kind": "Secret", "name": "app"}]
