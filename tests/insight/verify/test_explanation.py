"""A wrong line has the answer of `podwire explain`, from the written objects where they have the names."""

from podwire.insight.verify.expectations import Expectation
from podwire.insight.verify.explanation import explanation
from tests.insight.verify.shop import shop


def of(source: str, to: str, port: int | str | None) -> str:
    return explanation(Expectation(source, to, port, "TCP", "allow"), [shop()[0]])


def test_it_names_policy_and_line_and_what_would_allow_it() -> None:
    found = of("shop/other", "shop/web", 80)
    assert "not allowed" in found
    assert "shop/web (shop.yaml:2)" in found
    assert "CHANGE" in found


def test_names_that_no_objects_have_and_ports_that_must_be_written_have_none() -> None:
    assert of("shop/nobody", "shop/web", 80) == ""
    assert "allowed" in of("shop/client", "fd00::9", 80)


def test_the_first_objects_that_have_the_names_answer() -> None:
    snapshot, _ = shop()
    one = Expectation("shop/client", "shop/web", 80, "TCP", "deny")
    empty = type(snapshot)()
    assert explanation(one, [empty, snapshot]) == explanation(one, [snapshot])
