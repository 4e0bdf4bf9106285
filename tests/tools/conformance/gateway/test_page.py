from tools.conformance.gateway.catalog import Catalog, Feature, Profile
from tools.conformance.gateway.page import Run, features, profiles, whole
from tools.conformance.records import Record
from tools.conformance.results import Outcome, Result

from tools.conformance.gateway import catalog

CATALOG = Catalog(
    tests=(
        catalog.Test("Simple", "", ("Gateway", "HTTPRoute")),
        catalog.Test("Cors", "", ("Gateway", "HTTPRoute", "CORS")),
        catalog.Test("Retry", "", ("Gateway", "HTTPRoute", "Retry")),
        catalog.Test("Udp", "", ("Gateway", "UDPRoute")),
        catalog.Test("MeshBasic", "", ("Mesh",)),
    ),
    features=tuple(
        Feature(name, "experimental" if name == "Retry" else "standard")
        for name in ("CORS", "Gateway", "HTTPRoute", "Mesh", "Retry", "UDPRoute")
    ),
    profiles=(
        Profile("GATEWAY-HTTP", ("Gateway", "HTTPRoute"), ("CORS", "Retry")),
        Profile("GATEWAY-UDP", ("Gateway", "UDPRoute"), ()),
    ),
)
RESULTS = [
    Result("Simple", Outcome.PASSED),
    Result("Cors", Outcome.FAILED, "no header"),
    Result("Retry", Outcome.NOT_RUN, "the run ended before"),
    Result("Udp", Outcome.PASSED),
]


def test_a_profile_counts_core_and_extended_tests_apart() -> None:
    rows = profiles(CATALOG, RESULTS).splitlines()
    assert rows[2:] == ["| GATEWAY-HTTP | 1 of 1 | 0 of 2 | 0 of 2 |", "| GATEWAY-UDP | 1 of 1 | 0 of 0 | 0 of 0 |"]


def test_each_feature_of_gateways_has_its_level_and_its_failures() -> None:
    rows = features(CATALOG, RESULTS).splitlines()
    assert "| CORS | extended | 0 of 1 | Cors |" in rows
    assert "| Gateway | core | 2 of 4 | Cors |" in rows
    assert "| Retry | extended, experimental | 0 of 1 |  |" in rows
    assert not any("Mesh" in row for row in rows)


def test_channels_choose_tests() -> None:
    assert "Retry" not in CATALOG.features_of("standard")
    assert "Retry" in CATALOG.features_of("experimental")
    assert [test.name for test in CATALOG.of_gateways()] == ["Simple", "Cors", "Retry", "Udp"]


def test_the_page_names_what_failed_and_links_the_report_of_whole_runs() -> None:
    runs = [
        Run(Record("abc", "2026-11-30", "standard channel"), "gatewayAPIChannel: standard\nkind: ConformanceReport\n")
    ]
    page = whole("v1.6.3", runs, CATALOG, RESULTS)
    assert "| Cors | failed | no header |" in page
    name = "gateway-conformance-standard-default-report.yaml"
    assert f"[{name}]({name})" in page
    assert "abc on 2026-11-30 (standard channel)" in page
    assert "No run of everything yet." in whole("v1.6.3", [], CATALOG, RESULTS)
