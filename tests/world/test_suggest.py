"""`podwire suggest` in a world: what it suggests is applied, and `podwire verify` proves it with real packets."""

from pathlib import Path

import pytest

from tests.world.harness import World, eventually
from tests.world.test_flows import records

POD = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: NAME}}
spec: {nodeName: node-NODE, containers: [{name: c, image: nginx}]}
"""


@pytest.mark.long
def test_suggested_policies_keep_what_was_seen_and_close_the_rest(quarter: World, tmp_path: Path) -> None:
    quarter.kubectl("annotate", "namespace", quarter.namespace, "podwire.dev/flow-records=all")
    quarter.apply("---".join(POD.replace("NAME", name).replace("NODE", node) for name, node in ("a1", "b2", "c1")))
    quarter.wait(quarter.namespace)
    address = quarter.jsonpath("pod b", "{.status.podIP}")

    def seen() -> bool:
        quarter.kubectl("-n", quarter.namespace, "exec", "a", "--", "nc", "-z", "-w5", address, "80")
        return bool(records(quarter, "--verdict", "forwarded", "--port", "80"))

    eventually(seen, 60, "the record of an admitted connection")
    reach = tmp_path / "reach.yaml"
    arguments = ("--name", quarter.name, "-n", quarter.namespace, "--expectations", str(reach))
    suggested = quarter.home.podwire("suggest", *arguments).stdout
    assert f"{quarter.namespace}/c (Pod)" in suggested, "what was not seen is named"
    quarter.apply(suggested)
    c_to_b = f"- {{from: {quarter.namespace}/pod/c, to: {quarter.namespace}/pod/b, port: 80, expect: deny}}\n"
    reach.write_text(reach.read_text() + c_to_b)
    proof = quarter.home.podwire("verify", str(reach), "--live", "--name", quarter.name, timeout=120).stdout
    assert "(1 allow, 1 deny)" in proof
