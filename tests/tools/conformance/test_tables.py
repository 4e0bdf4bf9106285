from pathlib import Path

import pytest
from tools.conformance.tables import load

from tools.conformance import tables

TEXT = """
[[not_applicable]]
match = '\\[Feature:Windows\\]'
reason = "Windows"

[[expected_failure]]
match = 'LoadBalancer'
reason = "not built yet"
run = false

[[expected_failure]]
match = 'affinity'
reason = "no affinity"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "tests.toml"
    file.write_text(TEXT)
    return file


def test_a_test_is_found_by_its_name(path: Path) -> None:
    known = load(path)
    inapplicable = known.inapplicable("[sig-windows] [Feature:Windows] x")
    assert inapplicable is not None
    assert inapplicable.reason == "Windows"
    assert known.inapplicable("[sig-network] DNS") is None
    assert known.expected("[sig-network] DNS") is None


def test_what_cannot_apply_and_what_would_only_wait_is_not_run(path: Path) -> None:
    known = load(path)
    assert not known.runs("[Feature:Windows] x")
    assert not known.runs("LoadBalancers should work")
    assert known.runs("session affinity works")
    assert known.runs("DNS")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[not_applicable]]\nmatch = 'x'\n", "reason"),
        ("[[not_applicable]]\nmatch = '('\nreason = 'x'\n", "regular expression"),
        ("[[wrong]]\nmatch = 'x'\nreason = 'x'\n", "unknown table wrong"),
    ],
)
def test_an_entry_that_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "tests.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=said):
        load(file)


def test_the_tables_of_the_repository_can_be_read() -> None:
    known = load(tables.TABLES)
    assert known.not_applicable
    assert all(rule.reason for rule in (*known.not_applicable, *known.expected_failure))
