"""Identities found by labels are those that each selector selects."""

from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.kube.meta import LabelSelector, LabelSelectorRequirement
from podwire.policy.kinds import Kinds
from podwire.policy.model import EVERYTHING, Identity
from tests.thoroughness import examples

LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"))
IDENTITIES = st.builds(
    lambda namespace, labels: Identity(namespace, tuple(sorted(labels.items()))), st.sampled_from("no"), LABELS
)
SELECTORS = st.builds(
    lambda labels, key: LabelSelector(
        match_labels=labels,
        match_expressions=(LabelSelectorRequirement(key=key, operator="Exists"),) if key else (),
    ),
    LABELS,
    st.sampled_from(["", "a", "b"]),
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(IDENTITIES), st.data(), SELECTORS)
def test_what_a_selector_selects_is_found_whatever_came_and_went(
    came: list[Identity], data: st.DataObject, selector: LabelSelector
) -> None:
    went = data.draw(st.lists(st.sampled_from(range(len(came))), unique=True)) if came else []
    kinds = Kinds()
    for one in came:
        kinds.count(one, 1)
    for index in went:
        kinds.count(came[index], -1)
    left = {one for index, one in enumerate(came) if index not in went}
    for namespace in "no":
        expected = {one for one in left if one.namespace == namespace and one.selected_by(selector)}
        found = list(kinds.selected(namespace, selector))
        assert len(found) == len(set(found))
        assert set(found) == expected
    assert len(kinds) == len(kinds.namespaces)
    assert kinds.namespaces == {one.namespace for one in left}
    assert all((one in kinds) == (one in left) for one in came)


def test_pods_of_an_identity_are_counted() -> None:
    kinds, one = Kinds(), Identity("n", (("a", "x"),))
    assert (kinds.count(one, 2), kinds.count(one, -1)) == (2, 1)
    assert one in kinds
    assert not kinds.count(one, -1)
    assert one not in kinds
    assert not kinds.selected("n", EVERYTHING)
    assert not kinds.count(one, 0)
    assert not kinds.namespaces
