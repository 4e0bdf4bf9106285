import pytest
from msgspec.structs import replace

from podwire.apiserver.base.requests import Response
from podwire.apiserver.documents import discovery
from podwire.apiserver.kinds.builtin import registry
from podwire.apiserver.kinds.resources import Registry
from tests.apiserver.conftest import Talk
from tests.apiserver.custom.widgets import define

REGISTRY = registry()
KUBECTL = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


@pytest.mark.parametrize(
    ("accept", "aggregated"),
    [
        (KUBECTL, True),
        ("application/json; g=apidiscovery.k8s.io; v=v2; as=APIGroupDiscoveryList;profile=nopeer", True),
        ("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json", False),
        ("application/json", False),
        ("application/json," + KUBECTL, False),
        ("*/*", False),
        ("", False),
    ],
)
def test_the_first_acceptable_form_is_answered(accept: str, aggregated: bool) -> None:
    assert discovery.wants_aggregated(accept) is aggregated


@pytest.mark.proves("aggregated-discovery")
def test_a_profile_that_only_other_servers_have_is_ignored() -> None:
    assert discovery.wants_aggregated(f"{discovery.AGGREGATED_CONTENT_TYPE};profile=nopeer,application/json")


@pytest.mark.proves("aggregated-discovery", "no-metrics-group", "openapi-v2-fallback")
async def test_answers_name_their_form(talk: Talk) -> None:
    for path in ("/api", "/apis"):
        answer = await talk.answer("GET", path, accept=f"{discovery.AGGREGATED_CONTENT_TYPE},application/json")
        assert isinstance(answer, Response)
        assert answer.content_type == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        plain = await talk.answer("GET", path, accept="application/json")
        assert isinstance(plain, Response)
        assert plain.content_type == "application/json"
    assert "metrics.k8s.io" not in {group["name"] for group in (await talk.ok("GET", "/apis"))["groups"]}
    assert (await talk.refused("GET", "/apis/metrics.k8s.io/v1beta1"))[0] == 404
    swagger = await talk.answer(
        "GET", "/openapi/v2", accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    )
    assert isinstance(swagger, Response)
    assert swagger.body == b"\x0a\x032.0"


@pytest.mark.proves("aggregated-discovery")
def test_aggregated_discovery_needs_two_answers() -> None:
    [core] = discovery.aggregated_core(REGISTRY)["items"]
    assert core["metadata"]["name"] == ""
    pods = next(entry for entry in core["versions"][0]["resources"] if entry["resource"] == "pods")
    assert pods["scope"] == "Namespaced"
    assert pods["shortNames"] == ["po"]
    assert pods["categories"] == ["all"]
    assert {
        "subresource": "eviction",
        "responseKind": {"group": "policy", "version": "v1", "kind": "Eviction"},
        "verbs": ["create"],
    } in pods["subresources"]
    groups = discovery.aggregated_groups(REGISTRY)
    assert groups["apiVersion"] == "apidiscovery.k8s.io/v2"
    assert "apps" in [item["metadata"]["name"] for item in groups["items"]]


@pytest.mark.proves("aggregated-subresources-kinds")
def test_every_subresource_has_a_kind() -> None:
    """A subresource without responseKind is dropped by clients, with an error."""
    for item in (*discovery.aggregated_core(REGISTRY)["items"], *discovery.aggregated_groups(REGISTRY)["items"]):
        for resource in item["versions"][0]["resources"]:
            assert all(part["responseKind"]["kind"] for part in resource.get("subresources", ()))


@pytest.mark.proves("plain-discovery", "resource-names")
def test_plain_discovery_has_the_same_step_by_step() -> None:
    assert discovery.core_versions("172.18.0.1:6443")["versions"] == ["v1"]
    names = [group["name"] for group in discovery.groups(REGISTRY)["groups"]]
    assert "" not in names
    for name in names:
        group = discovery.group(REGISTRY, name)
        assert group is not None
        assert group["preferredVersion"] == group["versions"][0]
        listed = discovery.resources(REGISTRY, name, group["preferredVersion"]["version"])
        assert listed is not None
        assert listed["resources"]


@pytest.mark.proves("subresources-listed")
def test_plain_subresources_name_a_foreign_kind() -> None:
    listed = discovery.resources(REGISTRY, "apps", "v1")
    assert listed is not None
    scale = next(entry for entry in listed["resources"] if entry["name"] == "deployments/scale")
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    status = next(entry for entry in listed["resources"] if entry["name"] == "deployments/status")
    assert "group" not in status


def test_a_group_that_is_not_served_is_absent() -> None:
    assert discovery.group(REGISTRY, "example.com") is None
    assert discovery.group(REGISTRY, "") is None
    assert discovery.resources(REGISTRY, "apps", "v2") is None


def test_kinds_are_added_and_removed_at_run_time() -> None:
    own = Registry(REGISTRY.all())
    before = own.generation
    widget = replace(next(iter(own.all())), group="example.com", kind="Widget", plural="widgets")
    own.add(widget)
    own.add(replace(widget, version="v2beta1"))
    assert own.generation > before
    assert own.by_kind("example.com/v1", "Widget") is widget
    group = discovery.group(own, "example.com")
    assert group is not None
    assert [entry["version"] for entry in group["versions"]] == ["v1", "v2beta1"]
    own.remove("example.com", "v1", "widgets")
    assert own.find("example.com", "v1", "widgets") is None
    assert own.by_kind("example.com/v1", "Widget") is None


def test_versions_are_ordered_as_kubernetes_orders_them() -> None:
    versions = ["v1", "v2beta1", "v10", "v1alpha1", "v2", "foo", "v1beta2", "v1beta1"]
    assert sorted(versions, key=discovery.version_priority, reverse=True) == [
        "v10",
        "v2",
        "v1",
        "v2beta1",
        "v1beta2",
        "v1beta1",
        "v1alpha1",
        "foo",
    ]


@pytest.mark.parametrize("accept", ["application/json", KUBECTL])
async def test_a_document_is_made_once_until_the_kinds_change(talk: Talk, accept: str) -> None:
    first = await talk.answer("GET", "/apis", accept=accept)
    assert await talk.answer("GET", "/apis", accept=accept) is first
    await define(talk)
    after = await talk.answer("GET", "/apis", accept=accept)
    assert isinstance(first, Response)
    assert isinstance(after, Response)
    assert b"example.com" not in first.body
    assert b"example.com" in after.body


async def test_an_aggregated_document_that_a_client_has_is_not_sent_again(talk: Talk) -> None:
    first = await talk.answer("GET", "/apis", accept=KUBECTL)
    assert isinstance(first, Response)
    etag = first.headers["Etag"]
    again = await talk.answer("GET", "/apis", accept=KUBECTL, if_none_match=etag)
    assert isinstance(again, Response)
    assert (again.code, again.body, again.headers["Etag"]) == (304, b"", etag)
    assert again.content_type == first.content_type  # a cache takes the headers of a 304 over
    await define(talk)
    changed = await talk.answer("GET", "/apis", accept=KUBECTL, if_none_match=etag)
    assert isinstance(changed, Response)
    assert (changed.code, changed.headers["Etag"] != etag) == (200, True)
