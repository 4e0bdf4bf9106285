"""Fields and kinds that the API does not have: those of every kind that is served, and none of right objects."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from podwire.cli import podwire
from podwire.insight.snapshot import planned
from podwire.insight.snapshot.snapshot import Topic
from podwire.insight.sources.reading import read
from tests.insight.snapshot.written_text import snapshot

EXAMPLES = Path(__file__).parents[3] / "examples"
HEAD = "metadata: {name: a, namespace: b}\n"


def unknown(text: str) -> list[tuple[str, str]]:
    return [(one.message, one.remedy) for one in snapshot(text).unknown_fields]


@pytest.mark.parametrize(
    ("version", "kind", "text", "message", "remedy"),
    [
        ("v1", "Pod", "spec: {hostnetwork: true, containers: []}", "spec.hostnetwork", "write hostNetwork"),
        ("v1", "Service", "spec: {selectors: {a: b}}", "spec.selectors", "write selector"),
        ("v1", "Service", "spce: {}", "there is no field spce", "write spec"),
        (
            "policy.networking.k8s.io/v1alpha2",
            "ClusterNetworkPolicy",
            "spec: {subjects: {}, subject: {namespaces: {}}}",
            "spec.subjects",
            "write subject",
        ),
        ("podwire.dev/v1alpha1", "EgressGateway", "spec: {podselector: {}}", "spec.podselector", "write podSelector"),
        ("mesh.podwire.dev/v1alpha1", "AuthorizationPolicy", "spec: {rule: []}", "spec.rule", "write rules"),
        ("gateway.networking.k8s.io/v1", "Gateway", "spec: {listener: []}", "spec.listener", "write listeners"),
        ("apps/v1", "Deploymnet", "", "no kind Deploymnet in apps/v1", "write Deployment"),
        ("gateway.networking.k8s.io/v1", "HTTPRuote", "", "no kind HTTPRuote", "write HTTPRoute"),
    ],
)
def test_each_has_the_nearest_name(version: str, kind: str, text: str, message: str, remedy: str) -> None:
    ((found, near),) = unknown(f"apiVersion: {version}\nkind: {kind}\n{text}\n{HEAD}")
    assert message in found
    assert near == remedy


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: ConfigMap\ndata: {podSelectr: a}\n",
        "apiVersion: v1\nkind: Pod\nspec: {nodeSelector: {b: c}, containers: [{name: a, env: []}]}\n",
        "apiVersion: example.com/v1\nkind: Deploymnet\nanything: 1\n",
        "apiVersion: apps/v1beta1\nkind: Deploymnet\n",
        "apiVersion: v1\nkind: PodTemplate\n",
    ],
)
def test_free_maps_and_other_kinds_have_none(text: str) -> None:
    assert unknown(text + HEAD) == []


def test_right_objects_have_none() -> None:
    written = read([str(one) for one in EXAMPLES.iterdir() if one.is_dir() and any(one.glob("*.yaml"))])
    assert len(written) > 100
    assert planned.snapshot_of(written).unknown_fields == ()


def test_answers_show_the_first_and_count_the_others() -> None:
    one = "---\napiVersion: v1\nkind: Service\nmetadata: {name: sNUMBER, namespace: b}\nspec: {prots: []}\n"
    many = planned.MOST_NOTED + 3
    found = snapshot("".join(one.replace("NUMBER", str(number)) for number in range(many)))
    notes = [note.text for note in found.notes if note.topic is Topic.UNKNOWN_FIELD]
    assert (len(found.unknown_fields), len(notes)) == (many, planned.MOST_NOTED + 1)
    assert notes[-1].startswith("3 more fields")
    assert "there is no field spec.prots; write ports" in notes[0]


@pytest.mark.parametrize("command", ["service web -n b", "name web --from b/client"])
def test_explanations_of_services_and_names_show_them(command: str, tmp_path: Path) -> None:
    written = tmp_path / "a.yaml"
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: client, namespace: b}\nspec: {containers: [{name: c}]}\n"
    web = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: b}\nspec: {PORTS: [{port: 80}]}\n"
    for fields, shown in (("portz", True), ("ports", False)):
        written.write_text(pod + "---\n" + web.replace("PORTS", fields))
        result = CliRunner().invoke(podwire, ["explain", *command.split(), "-f", str(written)])
        assert result.exit_code == 0, result.output
        assert (f"{written}:9: Service b/web: there is no field spec.portz" in result.output) is shown
