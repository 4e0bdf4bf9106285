import os
import time

from prometheus_client.parser import text_string_to_metric_families

from podwire.component.metrics import Family, Histogram, counter, exposition, gauge, histogram, of_process


def samples(*families: Family) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """As Prometheus reads them."""
    parsed = text_string_to_metric_families(exposition(families))
    return {(one.name, frozenset(one.labels.items())): one.value for family in parsed for one in family.samples}


def test_values_and_labels_are_read_back() -> None:
    text = 'quote " backslash \\ newline \n end'
    found = samples(gauge("g", "A gauge.", 1.5, name=text), counter("c_total", "A counter.", 12345678901234))
    assert found == {("g", frozenset({("name", text)})): 1.5, ("c_total", frozenset()): 12345678901234}


def test_a_histogram_counts_each_value_in_every_bucket_that_holds_it() -> None:
    values = Histogram((0.25, 1, 10))
    for value in (0.1, 0.25, 0.5, 11):
        values.observe(value)
    found = samples(histogram("h", "A histogram.", values, of="x"))
    buckets = {dict(labels)["le"]: count for (name, labels), count in found.items() if name == "h_bucket"}
    assert buckets == {"0.25": 2, "1": 3, "10": 3, "+Inf": 4}
    assert found["h_count", frozenset({("of", "x")})] == 4
    assert found["h_sum", frozenset({("of", "x")})] == 11.85


def test_types_are_declared() -> None:
    kinds = {family.name: family.type for family in text_string_to_metric_families(exposition(of_process()))}
    assert kinds["process_cpu_seconds"] == "counter"
    assert kinds["process_resident_memory_bytes"] == "gauge"


def test_the_process_is_described() -> None:
    found = {name: value for (name, _), value in samples(*of_process()).items()}
    assert 0 < found["process_cpu_seconds_total"] <= time.process_time() + 1
    assert 1e6 < found["process_resident_memory_bytes"] < 1e11
    assert 0 <= time.time() - found["process_start_time_seconds"] < 86400
    assert found["process_open_fds"] >= len({0, 1, 2} & set(map(int, os.listdir("/proc/self/fd"))))
