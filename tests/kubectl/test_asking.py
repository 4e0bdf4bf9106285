"""What kubectl requests of the server about itself: schemas, resources, rights, versions, configuration, the proxy."""

from __future__ import annotations

import json
import urllib.request

import pytest

from tests.kubectl.kubectl import Kubectl, line, table

OLDEST_IS_LONG = True

WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: NAMEs.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: NAMEs, singular: NAME, kind: KIND, shortNames: [SHORT], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: What is wanted.
            required: [size]
            properties: {size: {type: integer, description: How large it is., minimum: 1}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
"""

EXPLAINED = """\
GROUP:      networking.k8s.io
KIND:       NetworkPolicy
VERSION:    v1

FIELD: egress <[]NetworkPolicyEgressRule>


DESCRIPTION:
"""


@pytest.mark.proves("kubectl-explain", "openapi-v3-index", "openapi-v3-descriptions")
def test_explain_prints_fields_and_types(kubectl: Kubectl) -> None:
    text = kubectl("explain", "networkpolicy.spec.egress")
    assert text.startswith(EXPLAINED)
    assert "  to\t<[]NetworkPolicyPeer>\n" in text
    assert "containerPort\t<integer> -required-\n" in kubectl("explain", "pod.spec.containers.ports")
    recursive = kubectl("explain", "deployment.spec.strategy", "--recursive")
    assert "  rollingUpdate\t<RollingUpdateDeployment>\n    maxSurge\t<IntOrString>\n" in recursive
    assert "  type\t<string>\n  enum: " in recursive or "  type\t<string>" in recursive
    version = kubectl("explain", "hpa.spec", "--api-version=autoscaling/v1")
    assert "targetCPUUtilizationPercentage" in version
    assert kubectl.refused("explain", "pod.spec.nothing").endswith('error: field "nothing" does not exist\n')
    assert kubectl.refused("explain", "nothing").endswith('the server doesn\'t have a resource type "nothing"\n')


@pytest.mark.proves("kubectl-explain", "crd-structural", "table-custom-columns", "openapi-custom-kinds")
def test_a_kind_of_the_user_is_like_any_other(kubectl: Kubectl) -> None:
    name = "gizmo" if kubectl.newest else "gadget"
    words = {"NAME": name, "KIND": name.capitalize(), "SHORT": name[:2]}
    manifest = WIDGETS
    for word, value in words.items():
        manifest = manifest.replace(word, value)
    kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
    kubectl("wait", f"crd/{name}s.example.com", "--for=condition=Established", "--timeout=30s")
    assert "size\t<integer> -required-\n    How large it is." in kubectl("explain", f"{name}.spec")
    one = f"apiVersion: example.com/v1\nkind: {name.capitalize()}\nmetadata: {{name: one}}\nspec: {{size: 3}}\n"
    kubectl("apply", "-f", "-", stdin=one)
    rows = table(kubectl("get", name[:2]))
    assert rows == [["NAME", "SIZE"], ["one", "3"]]
    assert f"{name}.example.com/one" in kubectl("get", "all", "-o", "name").split()
    wrong = kubectl.refused("apply", "-f", "-", stdin=one.replace("3", "0"))
    assert "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1" in wrong
    misspelt = kubectl.refused("create", "-f", "-", stdin=one.replace("size", "sise").replace("one", "two"))
    assert 'strict decoding error: unknown field "spec.sise"' in misspelt
    kubectl("delete", "crd", f"{name}s.example.com")
    assert "the server could not find the requested resource" in kubectl.refused("get", name)


@pytest.mark.proves("kubectl-api-resources", "aggregated-discovery")
def test_resources_and_versions(kubectl: Kubectl) -> None:
    apps = table(kubectl("api-resources", "--api-group=apps", "--sort-by=name"))
    assert apps[0] == ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    assert apps[3] == ["deployments", "deploy", "apps/v1", "true", "Deployment"]
    nodes = kubectl("api-resources", "--namespaced=false", "--verbs=list", "-o", "name").split()
    assert {"nodes", "namespaces", "clusterroles.rbac.authorization.k8s.io"} <= set(nodes)
    assert "pods" not in nodes
    assert "tokenreviews.authentication.k8s.io" not in nodes
    everything = kubectl("api-resources", "--categories=all", "-o", "name").split()
    assert {"pods", "services", "deployments.apps", "jobs.batch"} <= set(everything)
    versions = kubectl("api-versions").split()
    assert {"v1", "apps/v1", "networking.k8s.io/v1", "autoscaling/v1", "autoscaling/v2"} <= set(versions)


@pytest.mark.proves("kubectl-auth", "reviews", "rbac")
def test_auth_whoami_and_can_i(kubectl: Kubectl) -> None:
    assert table(kubectl("auth", "whoami"))[1] == ["Username", "kubernetes-admin"]
    assert kubectl("auth", "can-i", "create", "pods", "--subresource=exec") == "yes\n"
    refused = kubectl.run("auth", "can-i", "delete", "nodes", "--as=bob")
    assert (refused.stdout.splitlines()[-1], refused.returncode) == ("no", 1)
    assert kubectl("auth", "can-i", "get", "/healthz", "--as=bob") == "yes\n"
    every = table(kubectl("auth", "can-i", "--list", "--as=bob"))
    assert every[0] == ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]
    assert "*.*" not in {row[0] for row in every}
    denied = kubectl.refused("get", "pods", "--as=bob")
    assert denied == (
        'Error from server (Forbidden): pods is forbidden: User "bob" cannot list resource "pods" in API group "" '
        f'in the namespace "{kubectl.namespace}"\n'
    )


ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: made, namespace: SPACE}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
"""


@pytest.mark.proves("kubectl-auth")
def test_reconcile_adds_missing_rules(kubectl: Kubectl) -> None:
    role = ROLE.replace("SPACE", kubectl.namespace)
    made = kubectl("auth", "reconcile", "-f", "-", stdin=role)
    assert made == "role.rbac.authorization.k8s.io/made reconciled\n"
    kubectl("auth", "reconcile", "-f", "-", stdin=role.replace("[get]", "[list]"))
    rules = kubectl.json("get", "role", "made")["rules"]
    assert sorted(verb for rule in rules for verb in rule["verbs"]) == ["get", "list"]


@pytest.mark.proves("kubectl-cluster-info")
def test_the_cluster_and_its_version(kubectl: Kubectl) -> None:
    info = kubectl("cluster-info")
    assert "Kubernetes control plane\x1b[0m is running at" in info or "Kubernetes control plane is running at" in info
    assert "CoreDNS" in info
    versions = json.loads(kubectl("version", "-o", "json"))
    assert versions["serverVersion"]["minor"] == "37"
    assert versions["clientVersion"]["minor"] == kubectl.release.partition(".")[2]
    kubectl("cluster-info", "dump", "--output-directory=dump", f"--namespaces={kubectl.namespace}")
    assert (kubectl.folder / "dump" / "nodes.json").exists()
    assert (kubectl.folder / "dump" / kubectl.namespace / "pods.json").exists()


@pytest.mark.proves("kubectl-config")
def test_config_reads_and_changes_the_file(kubectl: Kubectl) -> None:
    context = kubectl("config", "current-context").strip()
    assert context == "podwire-cluster"
    assert table(kubectl("config", "get-contexts"))[1] == ["*", *[context] * 3, kubectl.namespace]
    hidden = kubectl("config", "view", "--minify")
    assert "client-key-data: DATA+OMITTED" in hidden
    kubectl("config", "set-context", "other", f"--cluster={context}", f"--user={context}", "--namespace=kube-system")
    kubectl("config", "use-context", "other")
    assert "coredns" in kubectl("get", "pods", "-o", "name")
    kubectl("config", "use-context", context)
    kubectl("config", "delete-context", "other")
    assert kubectl("get", "pods", "-o", "name") == ""
    assert "no context exists" in kubectl.refused("config", "use-context", "other")


@pytest.mark.proves("kubectl-proxy")
def test_proxy_passes_requests_and_streams(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "proxied", "--from-literal=a=1")
    path = f"/api/v1/namespaces/{kubectl.namespace}/configmaps"
    with kubectl.started("proxy", "--port=0") as proxying:
        base = "http://" + line(proxying).rpartition(" ")[2]
        with urllib.request.urlopen(f"{base}/api", timeout=30) as answer:
            assert json.load(answer)["versions"] == ["v1"]
        with urllib.request.urlopen(f"{base}{path}/proxied", timeout=30) as answer:
            assert json.load(answer)["data"] == {"a": "1"}
        query = "?watch=1&fieldSelector=metadata.name=proxied"
        with urllib.request.urlopen(f"{base}{path}{query}", timeout=30) as stream:
            assert json.loads(stream.readline())["type"] == "ADDED"
            kubectl("annotate", "cm", "proxied", "b=2")
            assert json.loads(stream.readline())["object"]["metadata"]["annotations"] == {"b": "2"}


@pytest.mark.proves("kubectl-top", "no-metrics-group")
def test_what_a_world_has_not_is_said(kubectl: Kubectl) -> None:
    assert kubectl.refused("top", "pods") == "error: Metrics API not available\n"
    assert kubectl.refused("top", "nodes") == "error: Metrics API not available\n"
    certificates = kubectl.refused("certificate", "approve", "mine")
    assert certificates == 'error: the server doesn\'t have a resource type "certificatesigningrequests"\n'
