"""The copy of an object that `kubectl apply` keeps in an annotation: no part of what was written."""

from __future__ import annotations

from podwire.insight.diff.objects import differences
from podwire.insight.diff.report import ObjectChange
from tests.insight.snapshot.written_text import snapshot

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web, namespace: shop, annotations: {annotations}}}
spec: {{ingressClassName: podwire}}
"""


def test_an_applied_object_is_equal_to_its_file() -> None:
    written = snapshot(INGRESS.format(annotations="{team: a}"))
    applied = snapshot(INGRESS.format(annotations=f"{{team: a, {APPLIED}: '...'}}"))
    other = snapshot(INGRESS.format(annotations="{team: b}"))
    assert not differences(applied, written)
    assert [line.change for line in differences(applied, other)] == [ObjectChange.CHANGED]
