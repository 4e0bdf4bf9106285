"""podwire migrate istio"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from podwire.cli import podwire

TEXT = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web, namespace: shop}
spec:
  action: DENY
  rules:
  - from:
    - source:
        remoteIpBlocks: [192.0.2.0/24]
    to:
    - operation:
        paths: [/admin]
"""


def test_each_field_is_reported_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(TEXT)
    found = CliRunner().invoke(podwire, ["migrate", "istio", str(file), "--exit-code"])
    assert found.exit_code == 1
    name = "AuthorizationPolicy shop/web"
    assert f"{file}:9  lost    {name}  spec.rules[0].from[0].source.remoteIpBlocks" in found.output
    assert f"{file}:12  differs {name}  spec.rules[0].to[0].operation.paths" in found.output
    assert "0 same, 2 differs, 1 lost" in found.output


def test_the_objects_are_written_with_what_is_lost_as_comments(tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(TEXT)
    found = CliRunner().invoke(podwire, ["migrate", "istio", str(file), "-o", "objects"])
    assert found.exit_code == 1, "access control is other than written"
    assert found.output.startswith("# ")
    (made,) = yaml.safe_load_all(found.output)
    assert (made["apiVersion"], made["kind"]) == ("mesh.podwire.dev/v1alpha1", "AuthorizationPolicy")
    assert made["spec"] == {"action": "DENY", "rules": [{"to": [{"paths": ["/admin"]}]}]}


def test_texts_that_kubectl_would_read_as_other_values_are_quoted(tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(TEXT.replace("[/admin]", '["/admin"]').replace("namespace: shop", 'namespace: "1e3"'))
    found = CliRunner().invoke(podwire, ["migrate", "istio", str(file), "-o", "objects"])
    assert "namespace: '1e3'" in found.output


def test_files_without_such_objects_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: a}}")
    found = CliRunner().invoke(podwire, ["migrate", "istio", str(tmp_path)])
    assert found.exit_code == 2
    assert "istio.io" in found.output


REPORTED = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  trafficPolicy:
    connectionPool:
      tcp:
        maxConnections: 3
    outlierDetection:
      interval: 5s
    tls:
      mode: ISTIO_MUTUAL
    loadBalancer:
      simple: ROUND_ROBIN
    madeUp:
      a: 1
      b: [1, 2]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - route: [{destination: {host: web, port: {number: 80}}}]
    retries:
      attempts: 3
  - timeout: 1s
    fault: {}
    route:
    - destination: {host: web, subset: v1}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: none}
spec: {}
"""


def test_the_report_says_what_is_written(tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(REPORTED)
    found = CliRunner().invoke(podwire, ["migrate", "istio", str(file)])
    assert found.exit_code == 0, "no access control is lost"
    lines = [line.removeprefix(f"{file}:") for line in found.output.splitlines() if line.startswith(f"{file}:")]
    rule, route = "DestinationRule default/web  spec", "VirtualService default/web  spec"
    assert lines == [
        f"5  differs {rule}.host",
        f"9  differs {rule}.trafficPolicy.connectionPool.tcp.maxConnections",
        f"11  same    {rule}.trafficPolicy.outlierDetection.interval",
        f"13  differs {rule}.trafficPolicy.tls.mode",
        f"15  differs {rule}.trafficPolicy.loadBalancer.simple",
        f"16  lost    {rule}.trafficPolicy.madeUp",
        f"29  lost    {route}.http[1]",
        f"23  lost    {route}",
        "34  lost    Gateway default/edge  spec",
        "42  same    AuthorizationPolicy default/none  spec",
    ]
    assert "class podwire" in found.output


@pytest.mark.parametrize("metadata", ["[x]", "{namespace: shop}", "null"])
def test_an_object_without_a_name_is_an_error_with_its_place(tmp_path: Path, metadata: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(TEXT.replace("{name: web, namespace: shop}", metadata))
    found = CliRunner().invoke(podwire, ["migrate", "istio", str(file)])
    assert found.exit_code == 2
    assert f"{file}:3: metadata of this AuthorizationPolicy has no name" in found.output
