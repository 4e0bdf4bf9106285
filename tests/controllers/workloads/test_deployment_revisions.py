from typing import Any

import msgspec
import pytest

from podwire.controllers.workloads import deployment_revisions, deployment_scaling
from podwire.kube.apps import PodTemplate
from tests.controllers.build import deployment, replica_set

LABELS = {"app": "web", deployment_revisions.HASH_LABEL: "x"}


def template(image: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    return {"metadata": {"labels": labels or {"app": "web"}}, "spec": {"containers": [{"image": image, "name": "c"}]}}


def test_the_hash_depends_on_content_and_not_on_the_order_of_fields() -> None:
    one = PodTemplate(metadata={"labels": {"a": "1", "b": "2"}}, spec={"x": 1, "y": 2})
    same = PodTemplate(spec={"y": 2, "x": 1}, metadata={"labels": {"b": "2", "a": "1"}})
    other = PodTemplate(spec={"y": 2, "x": 2}, metadata={"labels": {"b": "2", "a": "1"}})
    assert deployment_revisions.template_hash(one, 0) == deployment_revisions.template_hash(same, 0)
    assert deployment_revisions.template_hash(one, 0) != deployment_revisions.template_hash(other, 0)
    assert deployment_revisions.template_hash(one, 0) != deployment_revisions.template_hash(one, 1)


def test_the_current_set_is_found_by_template_whatever_its_hash_label() -> None:
    old = replica_set(1, "old", template=template("a", LABELS))
    new = replica_set(1, "new", template=template("b", LABELS))
    current, others = deployment_revisions.split(deployment(template=template("b")), [new, old])
    assert current is new
    assert others == [old]


def test_a_set_whose_template_the_server_completed_differently_is_still_the_current_one() -> None:
    requested = deployment(template=template("a"))
    labels = deployment_revisions.body(requested, 1, 1)["metadata"]["labels"]
    completed = template("a", labels)
    completed["spec"]["dnsPolicy"] = "ClusterFirst"
    made = replica_set(1, "made", template=completed, metadata={"labels": labels})
    assert deployment_revisions.split(requested, [made]) == (made, [])
    assert deployment_revisions.split(deployment(template=template("b")), [made]) == (None, [made])


def test_a_body_carries_hash_selector_owner_and_copied_annotations() -> None:
    metadata = {"annotations": {"team": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}"}}
    body = deployment_revisions.body(deployment(template=template("a"), metadata=metadata), 2, 7)
    text = body["metadata"]["labels"][deployment_revisions.HASH_LABEL]
    assert body["metadata"]["name"] == f"web-{text}"
    marks = deployment_scaling.size_annotations(deployment())
    assert body["metadata"]["annotations"] == {"team": "x", deployment_revisions.REVISION: "7", **marks}
    assert body["spec"]["selector"]["matchLabels"] == {"app": "web", deployment_revisions.HASH_LABEL: text}
    assert body["spec"]["template"]["metadata"]["labels"] == body["spec"]["selector"]["matchLabels"]
    assert msgspec.convert(body["spec"]["template"], PodTemplate).spec == template("a")["spec"]


def numbered(number: int, **more: Any) -> Any:
    return replica_set(0, f"r{number}", metadata={"annotations": {deployment_revisions.REVISION: str(number)}}, **more)


@pytest.mark.parametrize(
    ("current", "old", "expected"),
    [(None, [], 1), (None, [1, 2], 3), (2, [1], 2), (1, [2, 3], 4)],
    ids=["first", "new template", "unchanged", "rolled back"],
)
def test_revision_numbers(current: int | None, old: list[int], expected: int) -> None:
    now = numbered(current) if current else None
    assert deployment_revisions.current_number(now, [numbered(n) for n in old]) == expected


def test_a_revision_that_comes_back_keeps_its_earlier_numbers() -> None:
    changed = deployment_revisions.changed_annotations(deployment(), numbered(1), 4)
    assert changed == {deployment_revisions.REVISION: "4", deployment_revisions.HISTORY: "1"}
    assert deployment_revisions.changed_annotations(deployment(), numbered(4), 4) == {}


def test_only_empty_sets_beyond_the_history_limit_expire_oldest_first() -> None:
    sets = [numbered(3), numbered(1), numbered(2, pods=1), numbered(4)]
    expired = deployment_revisions.expired(deployment(revisionHistoryLimit=1), sets)
    assert [s.metadata.name for s in expired] == ["r1", "r3"]
