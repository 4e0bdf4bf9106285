"""kubectl get in all its forms, of objects whose cells are known."""

from __future__ import annotations

import json

import pytest

from tests.kubectl.kubectl import Kubectl, table

pytestmark = pytest.mark.proves("client-kubectl-oldest", "client-kubectl-newest")

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {tier: front}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: main, image: "nginx:1.27", ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {tier: front}}
spec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: https, port: 443, protocol: TCP}], type: ClusterIP}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: someone-elses
  tls: [{hosts: [a.example], secretName: tls}]
  rules:
  - host: a.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {matchLabels: {app: other}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: one, labels: {number: "1", set: two}}
data: {k: v, "dotted.key": d}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two, labels: {number: "2", set: two}}
data: {k: "10"}
"""


@pytest.fixture(scope="module")
def objects(kubectl: Kubectl) -> Kubectl:
    kubectl.apply(MANIFEST)
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    return kubectl


@pytest.mark.proves("kubectl-get", "table-cells")
def test_tables_have_upstreams_columns(objects: Kubectl) -> None:
    address = objects.jsonpath("service web", "{.spec.clusterIP}")
    assert table(objects("get", "deployment,service,ingress,networkpolicy")) == [
        ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"],
        ["deployment.apps/web", "2/2", "2", "2", "AGE"],
        ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"],
        ["service/web", "ClusterIP", address, "<none>", "80/TCP,443/TCP", "AGE"],
        ["NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS", "AGE"],
        ["ingress.networking.k8s.io/web", "someone-elses", "a.example", "80, 443", "AGE"],
        ["NAME", "POD-SELECTOR", "AGE"],
        ["networkpolicy.networking.k8s.io/closed", "app=other", "AGE"],
    ]


@pytest.mark.proves("kubectl-get", "kubectl-get-all")
def test_get_all_wide_shows_what_belongs_to_the_category(objects: Kubectl) -> None:
    rows = table(objects("get", "all", "-o", "wide"))
    heads = [row for row in rows if row[0] == "NAME"]
    assert heads == [
        ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES"],
        ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"],
        ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"],
        ["NAME", "DESIRED", "CURRENT", "READY", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"],
    ]
    kinds = {row[0].partition("/")[0] for row in rows} - {"NAME"}
    assert kinds == {"pod", "service", "deployment.apps", "replicaset.apps"}
    deployment = next(row for row in rows if row[0] == "deployment.apps/web")
    assert deployment == ["deployment.apps/web", "2/2", "2", "2", "AGE", "main", "nginx:1.27", "app=web"]
    pod = next(row for row in rows if row[0].startswith("pod/"))
    assert [*pod[1:5], *pod[7:]] == ["1/1", "Running", "0", "AGE", "<none>", "<none>"]


@pytest.mark.proves("kubectl-get")
def test_labels_and_kinds_are_shown_on_request(objects: Kubectl) -> None:
    assert table(objects("get", "cm", "one", "--show-labels", "-L", "number")) == [
        ["NAME", "DATA", "AGE", "NUMBER", "LABELS"],
        ["one", "2", "AGE", "1", "number=1,set=two"],
    ]
    assert table(objects("get", "cm", "two", "--show-kind", "--no-headers")) == [["configmap/two", "1", "AGE"]]


@pytest.mark.proves("kubectl-get")
def test_each_output_format_prints_its_fields(objects: Kubectl) -> None:
    assert objects.json("get", "cm", "one")["data"] == {"k": "v", "dotted.key": "d"}
    assert "\n  dotted.key: d\n  k: v\nkind: ConfigMap\n" in objects("get", "cm/one", "-o", "yaml")
    assert objects("get", "cm", "one", "two", "-o", "name") == "configmap/one\nconfigmap/two\n"
    assert objects.jsonpath("cm one", r"{.data.dotted\.key}") == "d"
    pairs = "{range .items[*]}{.metadata.name}={.data.k} {end}"
    assert objects.jsonpath("cm", pairs, "-l", "set=two") == "one=v two=10 "
    columns = objects("get", "cm", "-l", "set=two", "-o", "custom-columns=NAME:.metadata.name,K:.data.k,NONE:.none")
    assert table(columns) == [["NAME", "K", "NONE"], ["one", "v", "<none>"], ["two", "10", "<none>"]]
    assert objects("get", "cm", "one", "-o", "go-template={{.metadata.name}}/{{.data.k}}") == "one/v"
    assert "managedFields" not in objects("get", "cm", "one", "-o", "yaml")
    assert "managedFields" in objects("get", "cm", "one", "-o", "yaml", "--show-managed-fields")


@pytest.mark.proves("kubectl-get")
def test_selectors_choose(objects: Kubectl) -> None:
    def names(*arguments: str) -> list[str]:
        return objects("get", *arguments, "-o", "name").split()

    assert names("cm", "-l", "number in (1, 3)") == ["configmap/one"]
    assert names("cm", "-l", "set=two,number!=1") == ["configmap/two"]
    assert names("cm", "-l", "!set") == ["configmap/kube-root-ca.crt"]
    assert names("cm", "--field-selector", "metadata.name=two") == ["configmap/two"]
    assert len(names("pods", "--field-selector", "status.phase=Running,spec.nodeName!=")) == 2
    assert names("pods", "--field-selector", "status.phase=Failed") == []
    unknown = objects.refused("get", "cm", "--field-selector", "data.k=v")
    assert '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"' in unknown


@pytest.mark.proves("kubectl-get")
def test_sorting_is_by_any_field(objects: Kubectl) -> None:
    by_name = objects("get", "cm", "-l", "set=two", "--sort-by=.metadata.name", "--no-headers")
    assert [row[0] for row in table(by_name)] == ["one", "two"]
    by_label = objects("get", "cm", "-l", "set=two", "--sort-by={.data.k}", "-o", "name")
    assert by_label.split() == ["configmap/two", "configmap/one"]


@pytest.mark.proves("kubectl-get")
def test_chunks_and_all_namespaces_come_out_whole(objects: Kubectl) -> None:
    """In namespaces that no other test ends meanwhile."""

    def rows(*more: str) -> list[list[str]]:
        head, *found = table(objects("get", "cm", "-A", *more))
        assert head == ["NAMESPACE", "NAME", "DATA", "AGE"]
        return [row for row in found if row[0] in {objects.namespace, "kube-system"}]

    whole = rows()
    assert rows("--chunk-size=1") == whole
    assert [objects.namespace, "one", "2", "AGE"] in whole
    assert len({row[0] for row in whole}) == 2


@pytest.mark.proves("kubectl-get")
def test_several_things_and_files_are_found_together(objects: Kubectl) -> None:
    mixed = objects.run("get", "cm/one", "svc/web", "cm/absent")
    assert [row[0] for row in table(mixed.stdout)] == ["NAME", "configmap/one", "NAME", "service/web"]
    assert mixed.stderr == 'Error from server (NotFound): configmaps "absent" not found\n'
    assert mixed.returncode == 1
    objects.write("objects.yaml", MANIFEST)
    listed = objects("get", "-f", "objects.yaml", "-o", "name").split()
    assert listed[:2] == ["deployment.apps/web", "service/web"]
    assert len(listed) == 6
    assert objects("get", "cm", "absent", "--ignore-not-found") == ""
    assert json.loads(objects("get", "-f", "objects.yaml", "-o", "json"))["kind"] == "List"


@pytest.mark.proves("kubectl-get")
def test_what_is_not_there_is_said_as_upstream_says_it(objects: Kubectl) -> None:
    assert objects.refused("get", "gadgets") == 'error: the server doesn\'t have a resource type "gadgets"\n'
    assert objects.refused("get", "pod", "absent") == 'Error from server (NotFound): pods "absent" not found\n'
    nothing = objects.run("get", "pods", "-l", "app=none")
    assert (nothing.stdout, nothing.stderr) == ("", f"No resources found in {objects.namespace} namespace.\n")


@pytest.mark.proves("kubectl-get")
def test_subresources_have_tables_of_their_own(objects: Kubectl) -> None:
    assert table(objects("get", "deployment", "web", "--subresource=scale")) == [
        ["NAME", "DESIRED", "AVAILABLE", "AGE"],
        ["web", "2", "2", "AGE"],
    ]
    assert objects.json("get", "deployment", "web", "--subresource=scale")["spec"] == {"replicas": 2}
    assert table(objects("get", "deployment", "web", "--subresource=status"))[1][1] == "2/2"


@pytest.mark.proves("kubectl-get", "kubectl-proxy")
def test_raw_paths_are_read_as_they_are(objects: Kubectl) -> None:
    path = f"/api/v1/namespaces/{objects.namespace}/configmaps/one"
    assert json.loads(objects("get", "--raw", path))["data"]["k"] == "v"
    assert objects("get", "--raw", "/readyz") == "ok"
    missing = objects.refused("get", "--raw", "/apis/nobody/v1/things")
    assert missing == "Error from server (NotFound): the server could not find the requested resource\n"
    posted = objects.refused("create", "--raw", "/apis/nobody/v1/things", "-f", "-", stdin="{}")
    assert posted == missing
