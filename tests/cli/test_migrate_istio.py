"""podwire migrate istio"""

from __future__ import annotations

from pathlib import Path

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
    assert found.exit_code == 0
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
