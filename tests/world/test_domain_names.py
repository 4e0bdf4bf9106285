"""Domain names of a ClusterNetworkPolicy with real packets, by names of headless Services and of pods."""

import pytest

from tests.world.harness import World, eventually

OBJECTS = """
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: one}}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: two}}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: one}
spec: {clusterIP: None, selector: {app: one}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: two}
spec: {clusterIP: None, selector: {app: two}, ports: [{port: 80}]}
"""
POLICY = """
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: names-of-NAMESPACE}
spec:
  tier: Admin
  priority: 10
  subject:
    pods:
      namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
      podSelector: {matchLabels: {app: client}}
  egress:
  - action: Accept
    to: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}}]
  - action: Accept
    to: [{domainNames: [one.NAMESPACE.svc.cluster.local, "*.NAMESPACE.pod.cluster.local"]}]
  - action: Deny
    to: [{networks: [0.0.0.0/0, "::/0"]}]
"""


def connects(world: World, target: str, times: int = 1) -> bool:
    """Whether each of so many connections is there within a second: a first packet that is lost takes longer."""
    command = " && ".join([f"timeout 20 nc -w3 {target} 80 < /dev/null"] * times)
    arguments = ("-n", world.namespace, "exec", "client", "--", "sh", "-c", f"({command}) && echo yes || echo no")
    return world.kubectl(*arguments).stdout.split()[-1] == "yes"


@pytest.mark.long
def test_a_name_is_admitted_after_its_look_up_alone(quarter: World) -> None:
    space = quarter.namespace
    quarter.apply(OBJECTS)
    quarter.wait(space)
    one, two = (quarter.jsonpath(f"pod {name}", "{.status.podIP}") for name in ("one", "two"))
    name = f"one.{space}.svc.cluster.local"
    eventually(lambda: connects(quarter, name) and connects(quarter, f"two.{space}.svc.cluster.local"), 60, "names")
    quarter.kubectl("apply", "-f", "-", stdin=POLICY.replace("NAMESPACE", space))
    try:
        eventually(lambda: not connects(quarter, two), 60, "the policy")
        resolver = quarter.kubectl(
            "-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-dns", "-o", "jsonpath={.items[0].status.podIP}"
        ).stdout
        requested = quarter.kubectl("-n", space, "exec", "client", "--", "nslookup", name, resolver).stdout
        assert one in requested
        assert not connects(quarter, one), "the answer was not that of the cluster's DNS"
        assert connects(quarter, name, times=10)
        assert connects(quarter, one), "its time is not over"
        assert not connects(quarter, two)
        assert not connects(quarter, f"two.{space}.svc.cluster.local"), "no rule names it"
        eventually(lambda: not connects(quarter, one), 60, "the end of its time")
        assert connects(quarter, f"{two.replace('.', '-')}.{space}.pod.cluster.local"), "a wildcard"
    finally:
        quarter.kubectl("delete", "clusternetworkpolicy", f"names-of-{space}")
