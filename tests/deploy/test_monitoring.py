"""The dashboard and the alert rules, against what the programs of a world export."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tools.monitoring.__main__ import TARGET, text
from tools.monitoring.dashboard import WIDTH, dashboard
from tools.monitoring.panels import SECTIONS

from podwire.agent.announcing import of_announcements, of_bgp
from podwire.component.metrics import exposition
from podwire.controllers.cluster_program import of_controller
from podwire.edge.controller.metrics import of_controller as of_gateway_controller
from podwire.edge.xds.metrics import families
from podwire.edge.xds.proxy import Proxies
from podwire.mesh.controller.metrics import families as of_mesh_controller
from podwire.mesh.identity.certificate import Leaf
from podwire.mesh.identity.spiffe import Spiffe
from podwire.mesh.node.metrics import of_certificates
from podwire.mesh.telemetry.labels import reports
from podwire.mesh.telemetry.samples import samples
from podwire.mesh.telemetry.surroundings import Surroundings
from podwire.mesh.telemetry.totals import Totals
from podwire.testing import World

RULES = TARGET.with_name("alerts.yaml")
SCRAPE_LABELS = {"job", "instance", "node", "pod", "namespace", "container", "proxy"}
"""Labels that Prometheus adds to each series; the last one to those of Envoys."""
VARIABLES = {"$__rate_interval": "5m", "$node": ".*"}


def queries() -> Iterator[tuple[str, str]]:
    """The name of a panel or a rule, and an expression of it."""
    for panel in dashboard(SECTIONS)["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for rule in rules():
        yield rule["alert"], rule["expr"]


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def tree(expression: str) -> str:
    """What Prometheus' grammar makes of it, as text. Raises ValueError."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return repr(promql_parser.parse(expression))


ENVOY = """\
# TYPE envoy_gateway_requests counter
envoy_gateway_requests{gateway="a/b",port="80",route="c",backend="d",code="200"} 1
# TYPE envoy_gateway_duration_milliseconds histogram
envoy_gateway_duration_milliseconds_bucket{gateway="a/b",port="80",backend="d",le="+Inf"} 1
envoy_gateway_duration_milliseconds_sum{gateway="a/b",port="80",backend="d"} 1
envoy_gateway_duration_milliseconds_count{gateway="a/b",port="80",backend="d"} 1
"""
"""What an Envoy 1.40 exports of requests, as far as it is used here."""

Exposition = Mapping[str, tuple[str, frozenset[str]]]
"""Type and labels of each series by its name."""


def series(page: str) -> Exposition:
    found: dict[str, tuple[str, frozenset[str]]] = {}
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE):
        parts = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        for part in parts:
            found[name + part] = (kind, frozenset(labels.get(name + part, set())))
    return found


@pytest.fixture(scope="module")
def exported(cluster: World) -> Exposition:
    """All that agent, DNS server and controller export; what needs a router or a second program is made here."""
    agent = cluster.run_in("node-1", "curl", "-s", "http://127.0.0.1:10249/metrics").stdout
    address = cluster.jsonpath("pods -n kube-system -l k8s-app=kube-dns", "{.items[0].status.podIP}")
    cluster.run_in("node-1", "dig", "+short", f"@{address}", "kubernetes.default.svc.cluster.local")
    dns = cluster.run_in("node-1", "curl", "-s", f"http://{address}:9153/metrics").stdout
    others = exposition(
        (*of_announcements(1, 1, 1), *of_bgp(1, {}), *of_controller(leading=True, free={"10.0.0.0/8": 1}))
    )
    proxies = Proxies(lambda _: None)
    proxy = proxies.add("podwire", ())
    proxy.measured.refusals["CLUSTER"] += 1
    proxy.measured.acknowledged(0.1)
    gateways = mesh() + exposition((*of_gateway_controller(leading=True), *families(proxies)))
    return {**series(ENVOY), **series(gateways), **series(others), **series(dns), **series(agent)}


def mesh() -> str:
    """What the programs of the mesh export."""
    tags = 'reporter="source",client="",server=""'
    names = ("requests_total", "tcp_connections_opened_total", "tcp_connections_closed_total")
    page = "".join(f"envoy_istio_{name}{{{tags}}} 1\n" for name in (*names, "tcp_sent_bytes_total"))
    page += f"envoy_istio_tcp_received_bytes_total{{{tags}}} 1\n"
    page += "".join(f'envoy_istio_request_duration_milliseconds_bucket{{{tags},le="{one}"}} 1\n' for one in (1, "+Inf"))
    totals, known = Totals(), Surroundings("cluster.local")
    totals.take(samples(page), lambda name, found: reports(name, found, known))
    now = datetime.now(UTC)
    leaf = Leaf(Spiffe("cluster.local", "a", "b"), "", "", 1, now, now)
    certificates: Any = SimpleNamespace(leaves={leaf.id: leaf}, desired=frozenset({leaf.id}))
    authority = SimpleNamespace(active=leaf, roots=(leaf,))
    loop: Any = SimpleNamespace(state=authority, problem="", behind=())
    signer: Any = SimpleNamespace(signed=1, refused=0, tokens_signed=1, tokens_refused=0)
    controller = of_mesh_controller(loop, signer, now, leading=True)
    return exposition((*totals.families(), *of_certificates(certificates, now), *controller))


def test_the_file_is_what_the_table_of_panels_makes() -> None:
    assert TARGET.read_text() == text(), "python -m tools.monitoring writes it again"


SELECTOR = re.compile(r'VectorSelector \{\s*name: Some\(\s*"(\w+)",?\s*\),\s*matchers: (.*?)or_matchers', re.DOTALL)
GROUPING = re.compile(r"modifier: Some\(\s*Include\(\s*Labels \{\s*labels: \[(.*?)\]", re.DOTALL)


def faults(exported: Exposition, expression: str) -> Iterator[str]:
    """What an expression has of metrics and labels that no program exports, and counters that are not rates."""
    selectors = SELECTOR.findall(tree(expression))
    known = set(SCRAPE_LABELS)
    for metric, matchers in selectors:
        if metric == "up":
            continue
        if metric not in exported:
            yield f"no program exports {metric}"
            continue
        kind, labels = exported[metric]
        known |= labels
        yield from (f"{metric} has no label {each}" for each in _names(matchers) - labels - SCRAPE_LABELS if labels)
        is_rated = re.search(rf"(rate|increase)\({metric}\b", expression) is not None
        if is_rated != (kind in {"counter", "histogram"}) and not re.search(rf"changes\({metric}", expression):
            yield f"{metric} is a {kind}"
    if all(metric == "up" or exported.get(metric, ("", ()))[1] for metric, _ in selectors):
        grouped = {each for one in GROUPING.findall(tree(expression)) for each in re.findall(r'"(\w+)"', one)}
        yield from (f"nothing has the label {each}" for each in grouped - known)


def _names(matchers: str) -> set[str]:
    return set(re.findall(r'name: "(\w+)"', matchers))


def test_each_metric_and_label_exists_in_a_world(exported: Exposition) -> None:
    found = [f"{name}: {fault}" for name, expression in queries() for fault in faults(exported, expression)]
    assert not found
    assert len(list(queries())) > len(rules()) > 20


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("rate(podwire_unheard_total[5m])", "no program exports podwire_unheard_total"),
        ('rate(podwire_cni_requests_total{colour="red"}[5m])', "podwire_cni_requests_total has no label colour"),
        ("podwire_cni_requests_total > 1", "podwire_cni_requests_total is a counter"),
        ("rate(podwire_ready[5m])", "podwire_ready is a gauge"),
        ("sum by (colour) (rate(podwire_cni_requests_total[5m]))", "nothing has the label colour"),
    ],
)
def test_a_wrong_expression_is_found(exported: Exposition, expression: str, fault: str) -> None:
    assert list(faults(exported, expression)) == [fault]


def test_an_expression_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="unclosed"):
        tree("sum by (node (x)")


def test_rules_have_the_form_that_prometheus_reads() -> None:
    """As `rulefmt.RuleGroup` and `Rule` of github.com/prometheus/prometheus, which refuse unknown keys."""
    document = yaml.safe_load(RULES.read_text())
    assert set(document) == {"groups"}
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for group in document["groups"]:
        assert set(group) == {"name", "rules"}
        for rule in group["rules"]:
            assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
            assert re.fullmatch("Podwire[A-Za-z]+", rule["alert"])
            assert re.fullmatch("[0-9]+[mh]", rule.get("for", "1m"))
            assert rule["labels"]["severity"] in {"info", "warning", "critical"}
            assert set(rule["annotations"]) == {"summary", "description", "remedy"}


def test_texts_of_rules_use_labels_that_their_series_have() -> None:
    for rule in rules():
        used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        grouped = re.search(r"sum by \(([^)]*)\)", rule["expr"])
        if grouped:
            assert used <= {each.strip() for each in grouped[1].split(",")} - {"le"}, rule["alert"]


def test_panels_do_not_overlap_and_each_has_its_number() -> None:
    panels = dashboard(SECTIONS)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells, panel["title"]
        assert place["x"] + place["w"] <= WIDTH * 3
        cells |= own


def test_the_page_names_each_alert() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/monitoring.md").read_text()
    assert re.findall(r"^\| `(Podwire\w+)` \|", page, re.MULTILINE) == [rule["alert"] for rule in rules()]
    assert json.loads(TARGET.read_text())["uid"] in page
