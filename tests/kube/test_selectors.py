import pytest

from podwire.kube.meta import LabelSelector, LabelSelectorRequirement
from podwire.kube.selectors import label_keys, matches

POD = {"app": "web", "tier": "front"}


def requirement(key: str, operator: str, *values: str) -> LabelSelector:
    return LabelSelector(match_expressions=(LabelSelectorRequirement(key=key, operator=operator, values=values),))


def test_empty_selects_everything() -> None:
    assert matches(LabelSelector(), {})
    assert matches(LabelSelector(), POD)


def test_match_labels_are_all_needed() -> None:
    assert matches(LabelSelector(match_labels={"app": "web", "tier": "front"}), POD)
    assert not matches(LabelSelector(match_labels={"app": "web", "tier": "back"}), POD)
    assert not matches(LabelSelector(match_labels={"absent": ""}), POD)


@pytest.mark.parametrize(
    ("operator", "values", "present", "absent"),
    [
        ("In", ("web", "db"), True, False),
        ("In", ("db",), False, False),
        ("NotIn", ("web",), False, True),
        ("NotIn", ("db",), True, True),
        ("Exists", (), True, False),
        ("DoesNotExist", (), False, True),
        ("Gt", ("1",), False, False),
    ],
)
def test_operators(operator: str, values: tuple[str, ...], *, present: bool, absent: bool) -> None:
    assert matches(requirement("app", operator, *values), POD) is present
    assert matches(requirement("other", operator, *values), POD) is absent


def test_only_the_keys_that_are_read_tell_pods_apart() -> None:
    selector = LabelSelector(
        match_labels={"app": "web"}, match_expressions=(LabelSelectorRequirement(key="tier", operator="Exists"),)
    )
    assert label_keys(selector) == {"app", "tier"}
