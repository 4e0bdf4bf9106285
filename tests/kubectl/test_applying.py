"""Declarative changes: apply on either side, with managers and conflicts, prune, diff, validation and kustomize."""

from __future__ import annotations

import json

import pytest

from tests.kubectl.kubectl import Kubectl, table

OLDEST_IS_LONG = True

SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {part: settings}}
data: {mode: fast}
"""

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: "nginx:1", env: [{name: A, value: "1"}, {name: B, value: "2"}]}
"""

CONFLICT = """\
error: Apply failed with 1 conflict: conflict with "first": .data.mode
Please review the fields above--they currently have other managers."""

MISSPELT = 'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field '


@pytest.mark.proves("kubectl-apply")
def test_apply_creates_configures_and_leaves_alone(kubectl: Kubectl) -> None:
    kubectl.write("web.yaml", WEB)
    assert kubectl("apply", "-f", "web.yaml") == "deployment.apps/web created\n"
    assert kubectl("apply", "-f", "web.yaml") == "deployment.apps/web unchanged\n"
    kubectl.write("web.yaml", WEB.replace('{name: A, value: "1"}, ', "").replace("nginx:1", "nginx:2"))
    assert kubectl("apply", "-f", "web.yaml") == "deployment.apps/web configured\n"
    container = kubectl.json("get", "deployment", "web")["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["env"]) == ("nginx:2", [{"name": "B", "value": "2"}])
    assert '"image":"nginx:2"' in kubectl("apply", "view-last-applied", "deployment/web", "-o", "json").replace(" ", "")


@pytest.mark.proves("kubectl-apply")
def test_apply_keeps_what_others_set(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=WEB.replace("name: web}", "name: kept}"))
    kubectl("scale", "deployment", "kept", "--replicas=0")
    kubectl("annotate", "deployment", "kept", "team=a")
    kubectl("apply", "-f", "-", stdin=WEB.replace("name: web}", "name: kept}").replace("nginx:1", "nginx:3"))
    assert kubectl.jsonpath("deployment kept", "{.metadata.annotations.team}") == "a"


@pytest.mark.proves("kubectl-apply")
def test_prune_deletes_what_is_no_longer_in_the_files(kubectl: Kubectl) -> None:
    both = (
        SETTINGS.replace("settings", "pruned")
        + "---"
        + SETTINGS.replace("name: settings", "name: gone").replace("part: settings", "part: pruned")
    )
    kubectl("apply", "-f", "-", stdin=both)
    allowed = ("--prune", "-l", "part=pruned", "--prune-allowlist=core/v1/ConfigMap")
    printed = kubectl("apply", "-f", "-", *allowed, stdin=SETTINGS.replace("settings", "pruned"))
    assert printed == "configmap/pruned unchanged\nconfigmap/gone pruned\n"
    assert kubectl("get", "cm", "-l", "part=pruned", "-o", "name") == "configmap/pruned\n"


@pytest.mark.proves("kubectl-apply")
def test_an_apply_set_prunes_its_former_members(kubectl: Kubectl) -> None:
    as_set = ("--prune", "--applyset=configmaps/members", "-n", kubectl.namespace)
    two = SETTINGS.replace("settings", "stays") + "---" + SETTINGS.replace("settings", "leaves")
    kubectl("apply", "--server-side", "-f", "-", *as_set, stdin=two, KUBECTL_APPLYSET="true")
    one = SETTINGS.replace("settings", "stays")
    printed = kubectl("apply", "--server-side", "-f", "-", *as_set, stdin=one, KUBECTL_APPLYSET="true")
    assert "configmap/leaves pruned" in printed
    assert "leaves" not in kubectl("get", "cm", "-o", "name")


@pytest.mark.proves("kubectl-apply-server-side", "apply-conflicts")
def test_server_side_managers_conflict_and_take_over(kubectl: Kubectl) -> None:
    mine = SETTINGS.replace("settings", "shared")
    theirs = mine.replace("fast", "slow")
    apply = ("apply", "--server-side", "-f", "-")
    assert kubectl(*apply, "--field-manager=first", stdin=mine) == "configmap/shared serverside-applied\n"
    assert kubectl.refused(*apply, "--field-manager=second", stdin=theirs).startswith(CONFLICT)
    assert kubectl.jsonpath("cm shared", "{.data.mode}") == "fast"
    kubectl(*apply, "--field-manager=second", "--force-conflicts", stdin=theirs)
    kept = json.loads(kubectl("get", "cm", "shared", "--show-managed-fields", "-o", "json"))["metadata"][
        "managedFields"
    ]
    owners = {entry["manager"]: entry["fieldsV1"].get("f:data", {}) for entry in kept}
    assert owners == {"first": {}, "second": {"f:mode": {}}}
    kubectl(*apply, "--field-manager=second", stdin=theirs.replace("data: {mode: slow}", ""))
    assert kubectl.jsonpath("cm shared", "{.data}") == ""


@pytest.mark.proves("kubectl-apply-server-side", "apply-migration")
def test_server_side_apply_takes_over_from_the_client_side(kubectl: Kubectl) -> None:
    config = SETTINGS.replace("settings", "moved")
    kubectl("apply", "-f", "-", stdin=config)
    kubectl("apply", "--server-side", "-f", "-", stdin=config)
    kubectl("apply", "--server-side", "-f", "-", stdin=config.replace("mode: fast", "speed: high"))
    assert kubectl.jsonpath("cm moved", "{.data}") == '{"speed":"high"}'
    managers = kubectl.jsonpath("cm moved", "{.metadata.managedFields[*].manager}", "--show-managed-fields").split()
    assert "kubectl-client-side-apply" not in managers


@pytest.mark.proves("kubectl-diff", "dry-run")
def test_diff_shows_and_changes_nothing(kubectl: Kubectl) -> None:
    config = SETTINGS.replace("settings", "compared")
    kubectl("apply", "-f", "-", stdin=config)
    before = kubectl.json("get", "cm", "compared")
    assert kubectl("diff", "-f", "-", stdin=config) == ""
    for more in ((), ("--server-side", "--force-conflicts")):
        shown = kubectl.run("diff", "-f", "-", *more, stdin=config.replace("fast", "slow"))
        assert shown.returncode == 1, shown.stderr
        lines = shown.stdout.splitlines()
        assert {"-  mode: fast", "+  mode: slow"} <= set(lines)
    new = kubectl.run("diff", "-f", "-", stdin=config.replace("name: compared", "name: fresh"))
    assert (new.returncode, "+  name: fresh" in new.stdout) == (1, True)
    assert kubectl.json("get", "cm", "compared") == before
    assert kubectl("get", "cm", "fresh", "--ignore-not-found") == ""


@pytest.mark.proves("kubectl-validate", "field-validation")
def test_misspelt_fields_are_reported_as_validate_says(kubectl: Kubectl) -> None:
    wrong = WEB.replace("name: web}", "name: wrong}").replace("replicas: 0", "replicsa: 0")
    refused = kubectl.refused("apply", "-f", "-", stdin=wrong)
    assert refused == f'Error from server (BadRequest): error when creating "STDIN": {MISSPELT}"spec.replicsa"\n'
    warned = kubectl.run("create", "-f", "-", "--validate=warn", "--dry-run=server", stdin=wrong)
    assert warned.stdout == "deployment.apps/wrong created (server dry run)\n"
    assert warned.stderr == 'Warning: unknown field "spec.replicsa"\n'
    ignored = kubectl.run("create", "-f", "-", "--validate=ignore", stdin=wrong)
    assert (ignored.stdout, ignored.stderr) == ("deployment.apps/wrong created\n", "")
    kubectl("scale", "deployment", "wrong", "--replicas=0")


@pytest.mark.proves("kubectl-validate", "field-validation")
def test_misspelt_fields_of_a_change_are_reported_too(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=SETTINGS)
    wrong = SETTINGS.replace("\ndata:", "\ndta:")
    refused = kubectl.refused("apply", "-f", "-", stdin=wrong)
    assert refused.startswith(
        'The request is invalid: patch: Invalid value: "map[data:<nil> dta:map[mode:fast] metadata:'
    )
    assert refused.rstrip().endswith('strict decoding error: unknown field "dta"')


@pytest.mark.proves("kubectl-validate", "schema-messages")
def test_wrong_values_are_named_by_their_fields(kubectl: Kubectl) -> None:
    text = kubectl.refused("apply", "-f", "-", stdin=WEB.replace("replicas: 0", "replicas: many").replace("web", "api"))
    assert "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32" in text
    negative = WEB.replace("replicas: 0", "replicas: -1").replace("web", "api")
    assert kubectl.refused("apply", "-f", "-", stdin=negative) == (
        'The Deployment "api" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0\n'
    )
    unknown = kubectl.refused("apply", "-f", "-", stdin=WEB.replace("Deployment", "Deploymint"))
    assert 'no matches for kind "Deploymint" in version "apps/v1"' in unknown
    moved = kubectl.refused("apply", "-f", "-", stdin=WEB.replace("matchLabels: {app: web}", "matchLabels: {app: x}"))
    assert "`selector` does not match template `labels`" in moved or "field is immutable" in moved


KUSTOMIZATION = """
namePrefix: prod-
labels: [{pairs: {stage: prod}}]
resources: [settings.yaml]
configMapGenerator: [{name: made, literals: [a=b]}]
"""


@pytest.mark.proves("kubectl-kustomize")
def test_kustomizations_are_built_applied_and_deleted(kubectl: Kubectl) -> None:
    kubectl.write("overlay/settings.yaml", SETTINGS)
    kubectl.write("overlay/kustomization.yaml", KUSTOMIZATION)
    built = kubectl("kustomize", "overlay")
    assert "name: prod-settings" in built
    assert "stage: prod" in built
    created = kubectl("apply", "-k", "overlay").splitlines()
    assert "configmap/prod-settings created" in created
    assert [row[0] for row in table(kubectl("get", "cm", "-l", "stage=prod", "--no-headers"))] == [
        line.partition("/")[2].partition(" ")[0] for line in created
    ]
    assert kubectl("diff", "-k", "overlay") == ""
    kubectl("delete", "-k", "overlay")
    assert kubectl("get", "cm", "-l", "stage=prod", "-o", "name") == ""
