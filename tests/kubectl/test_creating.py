"""kubectl create in all its forms, replace, expose, autoscale and tokens."""

from __future__ import annotations

import base64
import json

import pytest

from tests.kubectl.kubectl import Kubectl, table

OLDEST_IS_LONG = True

SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: fast}
"""


@pytest.mark.proves("kubectl-create")
def test_create_and_replace_from_files(kubectl: Kubectl) -> None:
    kubectl.write("settings.yaml", SETTINGS)
    assert kubectl("create", "-f", "settings.yaml") == "configmap/settings created\n"
    taken = kubectl.refused("create", "-f", "settings.yaml")
    assert taken == (
        'Error from server (AlreadyExists): error when creating "settings.yaml": configmaps "settings" already exists\n'
    )
    generated = SETTINGS.replace("name: settings", "generateName: settings-")
    assert kubectl("create", "-f", "-", stdin=generated).startswith("configmap/settings-")
    kept = kubectl("create", "-f", "-", "--save-config", "--dry-run=server", "-o", "yaml", stdin=generated)
    assert "kubectl.kubernetes.io/last-applied-configuration" in kept


@pytest.mark.proves("kubectl-replace")
def test_replace_needs_the_object_and_force_makes_a_new_one(kubectl: Kubectl) -> None:
    config = SETTINGS.replace("settings", "replaced")
    missing = kubectl.refused("replace", "-f", "-", stdin=config)
    assert missing == ('Error from server (NotFound): error when replacing "STDIN": configmaps "replaced" not found\n')
    kubectl("create", "-f", "-", stdin=config)
    before = kubectl.json("get", "cm", "replaced")
    assert kubectl("replace", "-f", "-", stdin=config.replace("fast", "slow")) == "configmap/replaced replaced\n"
    after = kubectl.json("get", "cm", "replaced")
    assert (after["data"], after["metadata"]["uid"]) == ({"mode": "slow"}, before["metadata"]["uid"])
    old = json.dumps({**before, "data": {"mode": "stale"}})
    stale = kubectl.refused("replace", "-f", "-", stdin=old)
    assert "the object has been modified; please apply your changes to the latest version and try again" in stale
    printed = kubectl("replace", "--force", "-f", "-", stdin=config)
    assert printed.endswith("configmap/replaced replaced\n")
    assert kubectl.jsonpath("cm replaced", "{.metadata.uid}") != before["metadata"]["uid"]


@pytest.mark.proves("kubectl-create-typed")
def test_what_holds_data(kubectl: Kubectl) -> None:
    kubectl.write("key.txt", "from a file")
    kubectl("create", "configmap", "data", "--from-literal=a=1", "--from-file=key.txt", "--from-file=other=key.txt")
    data = kubectl.json("get", "cm", "data")["data"]
    assert data == {"a": "1", "key.txt": "from a file", "other": "from a file"}
    kubectl("create", "secret", "generic", "plain", "--from-literal=password=hidden", "--type=example.com/kind")
    plain = kubectl.json("get", "secret", "plain")
    assert (base64.b64decode(plain["data"]["password"]), plain["type"]) == (b"hidden", "example.com/kind")
    server = ("--docker-server=r.example", "--docker-username=u", "--docker-password=p")
    kubectl("create", "secret", "docker-registry", "pull", *server)
    assert kubectl.jsonpath("secret pull", "{.type}") == "kubernetes.io/dockerconfigjson"
    hidden = kubectl("describe", "secret", "plain")
    assert "password:  6 bytes" in hidden
    assert "hidden" not in hidden


@pytest.mark.proves("kubectl-create-typed")
def test_a_certificate_becomes_a_secret(kubectl: Kubectl) -> None:
    from podwire.pki.certificates import Authority

    pair = Authority.create().server()
    kubectl.write("tls.crt", pair.certificate.decode())
    kubectl.write("tls.key", pair.key.decode())
    kubectl("create", "secret", "tls", "front", "--cert=tls.crt", "--key=tls.key")
    assert table(kubectl("get", "secret", "front")) == [
        ["NAME", "TYPE", "DATA", "AGE"],
        ["front", "kubernetes.io/tls", "2", "AGE"],
    ]


@pytest.mark.proves("kubectl-create-typed", "protobuf-bodies")
def test_workloads(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=nginx", "--replicas=0", "--port=80")
    kubectl("create", "job", "once", "--image=busybox", "--", "true")
    kubectl("create", "cronjob", "daily", "--image=busybox", "--schedule=0 0 * * *", "--", "true")
    assert kubectl("create", "job", "now", "--from=cronjob/daily") == "job.batch/now created\n"
    template = kubectl.json("get", "deployment", "web")["spec"]["template"]
    assert template["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert kubectl.jsonpath(
        "job now", "{.metadata.ownerReferences[0].kind}/{.spec.template.spec.containers[0].command[0]}"
    ) == ("CronJob/true")
    kubectl("wait", "job/once", "job/now", "--for=condition=Complete", "--timeout=60s")
    assert table(kubectl("get", "cronjob", "daily", "--no-headers"))[0][:4] == ["daily", "0 0 * * *", "<none>", "False"]


@pytest.mark.proves("kubectl-create-typed")
def test_services_of_each_type_and_an_ingress(kubectl: Kubectl) -> None:
    kubectl("create", "service", "clusterip", "inner", "--tcp=80:8080")
    kubectl("create", "service", "clusterip", "headless", "--clusterip=None")
    kubectl("create", "service", "nodeport", "outer", "--tcp=80")
    kubectl("create", "service", "loadbalancer", "front", "--tcp=443")
    kubectl("create", "service", "externalname", "away", "--external-name=example.com")
    kubectl("wait", "service/front", "--for=jsonpath={.status.loadBalancer.ingress}", "--timeout=60s")
    services = {row[0]: row[1:] for row in table(kubectl("get", "svc", "--no-headers"))}
    assert services["inner"][0] == "ClusterIP"
    assert services["headless"][:4] == ["ClusterIP", "None", "<none>", "<none>"]
    assert services["outer"][0] == "NodePort"
    assert services["outer"][3].startswith("80:3")
    assert services["front"][2] == kubectl.jsonpath("svc front", "{.status.loadBalancer.ingress[0].ip}")
    assert services["front"][3].startswith("443:3")
    assert services["away"][:3] == ["ExternalName", "<none>", "example.com"]
    kubectl("create", "ingress", "way", "--class=nginx", "--rule=a.example/*=inner:80,tls=cert")
    rule = kubectl.json("get", "ingress", "way")["spec"]["rules"][0]
    assert (rule["host"], rule["http"]["paths"][0]["pathType"]) == ("a.example", "Prefix")


@pytest.mark.proves("kubectl-create-typed")
def test_roles_and_bindings(kubectl: Kubectl) -> None:
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods,deployments.apps")
    kubectl("create", "rolebinding", "readers", "--role=reader", f"--serviceaccount={kubectl.namespace}:robot")
    cluster_role = f"nodes-{kubectl.namespace}"
    kubectl("create", "clusterrole", cluster_role, "--verb=get", "--non-resource-url=/metrics")
    kubectl("create", "clusterrolebinding", cluster_role, f"--clusterrole={cluster_role}", "--user=ann")
    assert kubectl.json("get", "role", "reader")["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]},
    ]
    robot = f"--as=system:serviceaccount:{kubectl.namespace}:robot"
    assert kubectl("auth", "can-i", "list", "pods", robot) == "yes\n"
    assert kubectl.run("auth", "can-i", "delete", "pods", robot).stdout == "no\n"
    kubectl("set", "subject", "rolebinding/readers", "--user=ann")
    wide = table(kubectl("get", "rolebinding", "readers", "-o", "wide"))
    assert wide[0] == ["NAME", "ROLE", "AGE", "USERS", "GROUPS", "SERVICEACCOUNTS"]
    assert wide[1] == ["readers", "Role/reader", "AGE", "ann", f"{kubectl.namespace}/robot"]


@pytest.mark.proves("kubectl-create-typed")
def test_limits_of_namespaces_and_pods(kubectl: Kubectl) -> None:
    kubectl("create", "quota", "small", "--hard=pods=2,services=1", "--dry-run=server")
    kubectl("create", "poddisruptionbudget", "one", "--selector=app=web", "--min-available=1")
    name = f"high-{kubectl.namespace}"
    kubectl("create", "priorityclass", name, "--value=1000", "--description=first")
    assert table(kubectl("get", "priorityclass", name))[1][:3] == [name, "1000", "false"]
    assert table(kubectl("get", "pdb", "one"))[1] == ["one", "1", "N/A", "0", "AGE"]


@pytest.mark.proves("kubectl-create-token", "token-requests")
def test_tokens_are_those_of_the_account(kubectl: Kubectl) -> None:
    kubectl("create", "serviceaccount", "talker")
    token = kubectl("create", "token", "talker", "--duration=10m", "--audience=shop").strip()
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["sub"] == f"system:serviceaccount:{kubectl.namespace}:talker"
    assert claims["aud"] == ["shop"]
    assert claims["exp"] - claims["iat"] == 600
    bearer = kubectl("create", "token", "talker").strip()
    config = kubectl.write("token.json", json.dumps(_with_token(kubectl, bearer)))
    assert f"system:serviceaccount:{kubectl.namespace}:talker" in kubectl("auth", "whoami", f"--kubeconfig={config}")
    assert "Forbidden" in kubectl.refused("get", "secrets", f"--kubeconfig={config}")


def _with_token(kubectl: Kubectl, token: str) -> dict[str, object]:
    """The kubeconfig with the token in place of the certificate."""
    config = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
    return {**config, "users": [{"name": config["users"][0]["name"], "user": {"token": token}}]}


@pytest.mark.proves("kubectl-expose")
def test_expose_takes_selector_and_ports_from_the_workload(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "shown", "--image=nginx", "--replicas=0", "--port=8080")
    assert kubectl("expose", "deployment", "shown") == "service/shown exposed\n"
    spec = kubectl.json("get", "svc", "shown")["spec"]
    assert spec["selector"] == {"app": "shown"}
    assert spec["ports"] == [{"port": 8080, "protocol": "TCP", "targetPort": 8080}]
    options = ("--name=other", "--port=80", "--target-port=http", "--type=NodePort", "--session-affinity=ClientIP")
    kubectl("expose", "deployment", "shown", *options)
    other = kubectl.json("get", "svc", "other")["spec"]
    assert (other["type"], other["ports"][0]["targetPort"], other["sessionAffinity"]) == (
        "NodePort",
        "http",
        "ClientIP",
    )
    kubectl("expose", "service", "shown", "--name=again", "--port=81")
    assert kubectl.jsonpath("svc again", "{.spec.selector.app}") == "shown"


@pytest.mark.proves("kubectl-autoscale")
def test_autoscale_makes_an_autoscaler(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "scaled", "--image=nginx", "--replicas=0")
    percent = "--cpu=80%" if kubectl.newest else "--cpu-percent=80"
    printed = kubectl("autoscale", "deployment", "scaled", "--min=2", "--max=5", percent)
    assert printed == "horizontalpodautoscaler.autoscaling/scaled autoscaled\n"
    assert table(kubectl("get", "hpa", "scaled")) == [
        ["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"],
        ["scaled", "Deployment/scaled", "cpu: <unknown>/80%", "2", "5", "0", "AGE"],
    ]
