from typing import Any

import msgspec

from podwire.controllers.workloads import controller_revisions
from podwire.kube.apps import ControllerRevision, PodTemplate
from podwire.kube.kinds import STATEFUL_SETS
from tests.controllers.build import stateful_set


def template(image: str) -> PodTemplate:
    return PodTemplate(metadata={"labels": {"app": "web"}}, spec={"containers": [{"image": image}]})


def revision(number: int, image: str) -> ControllerRevision:
    body: dict[str, Any] = {"metadata": {"name": f"db-{number}"}, "data": controller_revisions.data(template(image))}
    return msgspec.convert({**body, "revision": number}, ControllerRevision)


def test_a_new_template_is_the_next_revision_and_a_restored_one_gets_a_new_number() -> None:
    known = [revision(1, "a"), revision(2, "b")]
    assert controller_revisions.place(template("c"), known) == controller_revisions.Place(None, 3)
    assert controller_revisions.place(template("b"), known) == controller_revisions.Place(known[1], 2)
    assert controller_revisions.place(template("a"), known) == controller_revisions.Place(known[0], 3)


def test_the_data_is_a_patch_that_replaces_the_template_and_gives_it_back() -> None:
    assert revision(1, "a").data["spec"]["template"]["$patch"] == "replace"
    assert controller_revisions.template_of(revision(1, "a")) == template("a")


def test_the_name_follows_from_the_template_and_the_collisions() -> None:
    def name(image: str, collisions: int = 0) -> str:
        owner = msgspec.structs.replace(stateful_set(), spec=msgspec.structs.replace(stateful_set().spec))
        owner = msgspec.structs.replace(owner, spec=msgspec.structs.replace(owner.spec, template=template(image)))
        return str(controller_revisions.body(STATEFUL_SETS, owner, 1, collisions)["metadata"]["name"])

    assert name("a") == name("a")
    assert len({name("a"), name("b"), name("a", 1)}) == 3


def test_the_oldest_revisions_without_pods_go_first() -> None:
    known = [revision(number, str(number)) for number in (4, 1, 3, 2)]
    assert [item.revision for item in controller_revisions.expired(known, {"db-1"}, limit=1)] == [2, 3]
    assert controller_revisions.expired(known, {"db-1"}, limit=3) == []


def test_the_text_of_a_revision_has_sorted_keys() -> None:
    template = PodTemplate(
        metadata={"labels": {"b": "1", "a": "2"}}, spec={"z": 1, "containers": [{"name": "c", "image": "i"}]}
    )
    text = msgspec.json.encode(controller_revisions.data(template)).decode()
    assert text == (
        '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"a":"2","b":"1"}},'
        '"spec":{"containers":[{"image":"i","name":"c"}],"z":1}}}}'
    )
