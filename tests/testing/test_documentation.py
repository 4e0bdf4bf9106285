"""The how-to's examples run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "test-suites.md"

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: c, image: nginx, ports: [{containerPort: PORT}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {selector: {app: NAME}, ports: [{port: PORT}]}
---
"""

POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: database}
spec:
  podSelector: {matchLabels: {app: database}}
  ingress: [{from: [{podSelector: {matchLabels: {app: backend}}}]}]
"""


@pytest.mark.long
def test_the_examples_hold(pytester: pytest.Pytester) -> None:
    examples = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    pytester.makepyfile("import pytest, podwire.testing\n" + "\n".join(examples) + USES_OWN_FIXTURE)
    folder = pytester.mkdir("k8s")
    for name, port in (("frontend", "80"), ("backend", "8080"), ("database", "5432")):
        (folder / f"{name}.yaml").write_text(MANIFEST.replace("NAME", name).replace("PORT", port))
    (folder / "policy.yaml").write_text(POLICY)
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


USES_OWN_FIXTURE = """
def test_a_fixture_of_ones_own(over_vxlan):
    assert over_vxlan.kubectl("get", "node", "node-2").returncode == 0
"""
