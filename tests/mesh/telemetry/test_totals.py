"""What counters of Envoy become: sums by labels, over restarts of Envoy and changes of what an address means."""

from __future__ import annotations

from collections.abc import Mapping

from podwire.component.metrics import Histogram
from podwire.mesh.telemetry.samples import samples
from podwire.mesh.telemetry.totals import Totals


def page(**values: int) -> str:
    return "".join(f'envoy_istio_requests_total{{client="{name}",code="200"}} {one}\n' for name, one in values.items())


def by_client(name: str, tags: Mapping[str, str]) -> tuple[Mapping[str, str]]:
    return ({"name": name, "client": tags["client"]},)


def requests(totals: Totals) -> dict[str, float]:
    found = next(one for one in totals.families() if one.name == "istio_requests_total")
    return {labels["client"]: value for labels, value in found.samples if isinstance(value, (int, float))}


def test_differences_are_added_and_a_new_envoy_counts_from_zero() -> None:
    totals = Totals()
    for value, expected in ((3, 3), (5, 5), (5, 5), (2, 7)):
        totals.take(samples(page(a=value)), by_client)
        assert requests(totals) == {"a": expected}


def test_what_was_counted_before_stays_with_the_labels_that_it_had() -> None:
    totals = Totals()
    totals.take(samples(page(a=3, b=1)), by_client)
    totals.take(samples(page(a=7, b=1)), lambda *_: ({"client": "other"},))
    assert requests(totals) == {"other": 4}


def test_what_envoy_has_forgotten_has_no_series() -> None:
    totals = Totals()
    totals.take(samples(page(a=3, b=1)), by_client)
    totals.take(samples(page(b=1)), by_client)
    assert requests(totals) == {"b": 1}


def test_series_have_a_bound() -> None:
    totals = Totals(most=2)
    totals.take(samples(page(a=1, b=1, c=1, d=1)), by_client)
    assert requests(totals) == {"a": 1, "b": 1, "unknown": 2}
    assert next(one for one in totals.families() if "folded" in one.name).samples == (({}, 2),)


def test_a_value_may_be_of_several_series() -> None:
    totals = Totals()
    totals.take(samples(page(a=3)), lambda *_: ({"client": "a"}, {"client": "both"}))
    assert requests(totals) == {"a": 3, "both": 3}


def test_histograms_keep_their_buckets() -> None:
    text = "".join(
        f'envoy_istio_response_bytes_bucket{{client="a",le="{bound}"}} {value}\n'
        for bound, value in (("100", 1), ("1000", 3), ("+Inf", 4))
    )
    text += 'envoy_istio_response_bytes_sum{client="a"} 5000\nenvoy_istio_response_bytes_count{client="a"} 4\n'
    totals = Totals()
    for _ in range(2):
        totals.take(samples(text), by_client)
    found = next(one for one in totals.families() if one.name == "istio_response_bytes")
    ((_, value),) = found.samples
    assert isinstance(value, Histogram)
    assert (value.bounds, value.counts, value.sum) == ((100.0, 1000.0), [1, 2, 1], 5000.0)
