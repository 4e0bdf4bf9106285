"""What the Api answers to DELETE of objects and collections."""

import asyncio

import pytest

from podwire.apiserver.main import running
from tests.apiserver.conftest import Files, Talk, configuration
from tests.apiserver.samples import MAPS, MERGE, PODS, config_map, pod


@pytest.mark.proves("delete-answers")
async def test_deleting_answers_a_status_with_the_uid(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map())
    answer = await talk.ok("DELETE", f"{MAPS}/a", {"propagationPolicy": "Background"})
    assert answer["status"] == "Success"
    assert answer["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert (await talk.refused("DELETE", f"{MAPS}/a"))[:2] == (404, "NotFound")


@pytest.mark.proves("delete-finalizers", "last-finalizer", "delete-answers")
async def test_finalizers_hold_an_object_until_the_last_is_gone(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map(metadata={"name": "a", "finalizers": ["x/y"]}))
    held = await talk.ok("DELETE", f"{MAPS}/a")
    assert "deletionTimestamp" in held["metadata"]
    more = {"metadata": {"finalizers": ["x/y", "x/z"]}}
    assert (await talk.refused("PATCH", f"{MAPS}/a", more, content_type=MERGE))[:2] == (422, "Invalid")
    await talk.ok("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": None}}, content_type=MERGE)
    assert (await talk.refused("GET", f"{MAPS}/a"))[0] == 404


@pytest.mark.proves("delete-pods")
async def test_a_running_pod_is_removed_when_its_node_deletes_it(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod(nodeName="n1"))
    marked = await talk.ok("DELETE", f"{PODS}/web")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    assert (await talk.ok("GET", f"{PODS}/web"))["metadata"]["deletionTimestamp"]
    await talk.ok("DELETE", f"{PODS}/web?gracePeriodSeconds=0")
    assert (await talk.refused("GET", f"{PODS}/web"))[0] == 404


@pytest.mark.proves("delete-collections")
async def test_collections_are_deleted_by_selector(talk: Talk) -> None:
    for name, labels in [("a", {"x": "1"}), ("b", {"x": "1"}), ("c", {"x": "2"})]:
        await talk.ok("POST", MAPS, config_map(name, metadata={"name": name, "labels": labels}))
    gone = await talk.ok("DELETE", f"{MAPS}?labelSelector=x=1")
    assert [item["metadata"]["name"] for item in gone["items"]] == ["a", "b"]
    left = await talk.ok("GET", MAPS)
    assert [item["metadata"]["name"] for item in left["items"]] == ["c", "kube-root-ca.crt"]


async def test_a_collection_is_deleted_in_few_commits(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration(files, str(files.folder / "store.db"), durable=True)
    async with running(config) as server:
        talk, syncs = Talk(server), list[int]()
        await asyncio.gather(*(talk.ok("POST", MAPS, config_map(f"m{number}")) for number in range(40)))
        sync = server.store._journal.sync

        async def counted() -> None:
            syncs.append(server.store.version)
            await sync()

        monkeypatch.setattr(server.store._journal, "sync", counted)
        gone = await talk.ok("DELETE", MAPS)
        assert len(gone["items"]) == 41
        assert len(syncs) < 10


async def test_what_is_gone_meanwhile_does_not_stop_a_deletion_of_many(talk: Talk) -> None:
    for name in "abc":
        await talk.ok("POST", MAPS, config_map(name))
    await asyncio.gather(talk.ok("DELETE", f"{MAPS}/b"), talk.ok("DELETE", MAPS))
    assert [item["metadata"]["name"] for item in (await talk.ok("GET", MAPS))["items"]] in ([], ["kube-root-ca.crt"])


@pytest.mark.proves("delete-namespaces", "create-refusals")
async def test_a_namespace_terminates(talk: Talk) -> None:
    await talk.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
    account = await talk.ok("GET", "/api/v1/namespaces/team/serviceaccounts/default")
    assert account["metadata"]["namespace"] == "team"
    assert (await talk.ok("DELETE", "/api/v1/namespaces/team"))["status"]["phase"] == "Terminating"
    code, answer = await talk.response("POST", "/api/v1/namespaces/team/configmaps", config_map())
    assert (code, answer["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    finalize = {"metadata": {"name": "team"}, "spec": {"finalizers": []}}
    await talk.ok("PUT", "/api/v1/namespaces/team/finalize", finalize)
    assert (await talk.refused("GET", "/api/v1/namespaces/team"))[0] == 404
