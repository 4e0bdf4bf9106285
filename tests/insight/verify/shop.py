"""Two pods of a workload, a database, a client and their Services, as a running world has them."""

from functools import cache

import msgspec

from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.sources.manifests import objects
from podwire.insight.sources.text import Text
from podwire.insight.verify.places import Places, places
from podwire.kube.core import Pod

POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 80}]}]
"""
SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: front, namespace: shop}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.50
  selector: {app: web}
  ports: [{name: http, port: 8080, targetPort: http, nodePort: 30080}]
status: {loadBalancer: {ingress: [{ip: 172.18.254.1}]}}
---
apiVersion: v1
kind: Service
metadata: {name: none, namespace: shop}
spec: {clusterIP: 10.96.0.51, selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: every, namespace: shop}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: shop}
spec: {type: ExternalName, externalName: example.com, ports: [{port: 443}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: shop}
spec: {type: ExternalName, externalName: other-alias.shop.svc.cluster.local, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: other-alias, namespace: shop}
spec: {type: ExternalName, externalName: front.shop.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: circle, namespace: shop}
spec: {type: ExternalName, externalName: circle.shop.svc.cluster.local}
"""


def pod(name: str, app: str, node: str, address: str, ports: str = "") -> str:
    owner = "{apiVersion: apps/v1, kind: StatefulSet, name: web, uid: u, controller: true}"
    owners = f", ownerReferences: [{owner}]" if app == "web" else ""
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, uid: {name}-uid, labels: {{app: {app}}}"
        f"{owners}}}\nspec: {{nodeName: {node}, containers: [{{name: c, ports: [{ports}]}}]}}\n"
        f"status: {{phase: Running, podIPs: [{{ip: {address}}}], conditions: [{{type: Ready, status: 'True'}}]}}\n"
    )


WEB = "{name: http, containerPort: 80}, {name: dns, containerPort: 53, protocol: UDP}"
PODS = "---\n".join(
    (
        pod("web-0", "web", "node-1", "10.244.1.2", WEB),
        pod("web-1", "web", "node-2", "10.244.2.2", WEB),
        pod("client", "client", "node-1", "10.244.1.3"),
        pod("other", "other", "node-2", "10.244.2.3"),
    )
)


@cache
def shop() -> tuple[Snapshot, Places]:
    """All of it."""
    found = tuple(objects(Text("shop.yaml", f"{POLICY}---{SERVICES}---\n{PODS}")))
    snapshot = snapshot_of(found)
    pods = [msgspec.convert(one.value, Pod) for one in found if one.kind == ("", "Pod")]
    return snapshot, places(snapshot, pods, 2)
