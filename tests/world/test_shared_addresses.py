"""Two Services with one address of a load balancer, reached from outside."""

from __future__ import annotations

import pytest

from podwire.testing import World
from tests.world.harness import eventually

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: NAME, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: NAME, annotations: {podwire.dev/allow-shared-ip: QUARTER}}
spec:
  type: LoadBalancer
  selector: {app: NAME}
  ports: [{port: PORT, targetPort: 80}]
"""


@pytest.mark.long
def test_each_port_of_a_shared_address_leads_to_its_own_service(quarter: World) -> None:
    ports = {"web": 8080, "shop": 8081}
    for name, port in ports.items():
        quarter.apply(MANIFEST.replace("NAME", name).replace("PORT", str(port)).replace("QUARTER", "shared-addresses"))
    quarter.wait()
    places = {name: quarter.outside.address(name) for name in ports}
    (address,) = {place.rpartition(":")[0] for place in places.values()}
    assert {place.rpartition(":")[2] for place in places.values()} == {"8080", "8081"}
    for name, place in places.items():
        assert quarter.allowed("outside", place)
        assert f"/{name}-" in quarter.outside.run("curl", "-s", "-m5", place).stdout
    change = '[{"op": "replace", "path": "/spec/ports/0/port", "value": 8080}]'
    quarter.kubectl("patch", "service", "shop", "--type=json", "-p", change)
    eventually(lambda: quarter.outside.address("shop").rpartition(":")[0] != address, 60, "another address")
    assert quarter.outside.address("web") == places["web"], "who changes its port moves, not the other"
