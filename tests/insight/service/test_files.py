"""Services of files: what is not known before pods are scheduled is no fault, and the cluster's DNS is assumed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from podwire.cli import podwire

SERVICE = """apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: NodePort, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {NODEcontainers: [{name: c}]}
"""
NODES = "".join(f"---\napiVersion: v1\nkind: Node\nmetadata: {{name: node-{number}}}\n" for number in (1, 2))


def output(service: str, text: str, folder: Path) -> str:
    (folder / "objects.yaml").write_text(text)
    result = CliRunner().invoke(podwire, ["explain", "service", service, "-f", str(folder)])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("nodes", ["", NODES])
def test_pods_that_may_be_on_any_node_are_no_warning(nodes: str, tmp_path: Path) -> None:
    found = output("shop/web", SERVICE.replace("NODE", "") + nodes, tmp_path)
    assert "note     externalTrafficPolicy is Local: nodes without a pod of the Service drop connections" in found
    assert "warning" not in found
    assert "node ports on \n" not in found


def test_a_node_without_a_pod_is_a_warning(tmp_path: Path) -> None:
    found = output("shop/web", SERVICE.replace("NODE", "nodeName: node-1, ") + NODES, tmp_path)
    assert "warning  externalTrafficPolicy is Local, and node-2 has no endpoint" in found


def test_the_clusters_dns_is_a_service_that_no_file_has(tmp_path: Path) -> None:
    assert "53/UDP" in output("kube-system/kube-dns", SERVICE.replace("NODE", ""), tmp_path)
