"""A file of expectations from what policies allow: complete, short, and what `verify` reads back."""

from pathlib import Path

from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.sources import reading
from podwire.insight.sources.manifests import objects
from podwire.insight.sources.text import Text
from podwire.insight.verify import expectation_file, generate

ROOT = Path(__file__).parents[3]
SHOP = ROOT / "examples/shop"
TRIAL = Path(__file__).with_name("trial")


def snapshot(*files: Path) -> Snapshot:
    return snapshot_of(reading.read(map(str, files)))


def test_the_shop_is_what_its_policies_say() -> None:
    text = generate.text(snapshot(SHOP), [str(SHOP)], str(SHOP / "new.yaml"))
    assert "files:" not in text
    found = expectation_file.parse(text, "new.yaml")
    allowed = {one.label for one in found.entries if one.is_allowed and "kube-dns" not in one.label}
    assert allowed == {
        "shop/backend -> shop/database:5432",
        "shop/frontend -> shop/backend:8080",
        "monitoring/prometheus -> shop/backend:9090",
        "visitors/browser -> shop/frontend:80",
        "visitors/browser -> monitoring/prometheus:9090",
        "monitoring/prometheus -> outside:443",
        "visitors/browser -> outside:443",
    }
    assert found.can_fail
    assert "shop/backend -> shop/backend:8080" in {one.label for one in found.entries if not one.is_allowed}
    assert "shop/database -> shop/database:5432" not in {one.label for one in found.entries}


def test_names_are_exact_where_workload_and_service_have_other_ports_and_undecidable_ones_are_left_out() -> None:
    text = generate.text(snapshot(TRIAL), [str(TRIAL)], str(TRIAL.parent / "reach.yaml"))
    assert "files: [trial]" in text
    found = {one.label: one.expect for one in expectation_file.parse(text, "x").entries}
    assert found["trial/friend -> trial/deployment/api:514/UDP"] == "allow"
    assert found["elsewhere/stranger -> trial/deployment/api:3868/SCTP"] == "deny"
    assert found["trial/friend -> trial/api:80"] == "allow"
    assert "trial/friend -> outside:443" not in found  # some addresses, not all


def test_without_a_policy_the_file_reports_that_it_cannot_fail() -> None:
    pods = "\n---\n".join(
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: c, ports: [{port}]}}]}}"
        for name, port in (("a", "{containerPort: 80}"), ("b", ""))
    )
    text = generate.text(snapshot_of(objects(Text("x.yaml", pods))), ["-"], "reach.yaml")
    assert "this file cannot fail" in text
    assert not expectation_file.parse(text, "x").can_fail


def test_a_long_list_of_sources_is_one_a_line_and_reads_back() -> None:
    many = "\n---\n".join(
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: client-with-a-long-name-{number}}}\n"
        "spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}"
        for number in range(6)
    )
    text = generate.text(snapshot_of(objects(Text("x.yaml", many))), ["."], "reach.yaml")
    assert max(map(len, text.splitlines())) <= generate.LONGEST_LINE + 40
    assert len(expectation_file.parse(text, "x").entries) == 6 * 5 + 6 + 6
