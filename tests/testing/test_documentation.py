"""The how-to's examples and the tutorial's commands run as they stand there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from podwire.testing import Home

DOCS = Path(__file__).parents[2] / "docs"
HOW_TO = DOCS / "how-to" / "test-suites.md"
TUTORIAL = DOCS / "tutorial.md"

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
    pytester.runpytest_subprocess().assert_outcomes(passed=4)


USES_OWN_FIXTURE = """
def test_over_vxlan(over_vxlan):
    assert over_vxlan.kubectl("get", "node", "node-2").returncode == 0
"""


@pytest.mark.long
def test_the_tutorial_is_true(fresh_home: Home) -> None:
    blocks = re.findall(r"(?:^    .*\n)+", TUTORIAL.read_text(), re.MULTILINE)
    assert "export PATH" in blocks[0], "a test has podwire on its PATH already"
    pace = "sleep 1\n"  # of a reader, who goes from one block to the next
    script = "set -e\ntrap 'podwire down --all' EXIT\n" + pace.join(map(textwrap.dedent, blocks[1:]))
    said = fresh_home.run("bash", "-c", script, timeout=100).stdout
    assert said.count("podwire stand-in for nginx") == 3, "answered before the policy, with the label, and captured"
    assert said.count("no answer\n") == 2, "silent with the policy, and without the label"
    assert "means pods of default with app=client, may=enter" in said
    client = re.escape(re.findall(r"from: ([\d.]+):", said)[-1])
    questions = re.findall(rf"IP {client}\.(\d+) > [\d.]+\.80: Flags \[S\]", said)
    answers = re.findall(rf"\.80 > {client}\.(\d+): Flags \[S\.\]", said)
    assert len(set(answers)) == 1
    assert set(questions) > set(answers), "the last connection is requested, and nobody answers"
