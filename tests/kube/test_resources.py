import msgspec

from podwire.kube.resources import ResourceList, kinds

DOCUMENT = b"""{"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": [
  {"name": "deployments", "kind": "Deployment", "namespaced": true, "verbs": ["get", "list", "watch", "delete"]},
  {"name": "deployments/scale", "kind": "Scale", "namespaced": true, "verbs": ["get", "list", "watch", "delete"]},
  {"name": "reviews", "kind": "Review", "verbs": ["create"]}]}"""


def test_only_whole_resources_that_can_be_followed_and_deleted_count() -> None:
    (found,) = kinds(msgspec.json.decode(DOCUMENT, type=ResourceList))
    assert (found.kind, found.namespaced) == ("Deployment", True)
    assert found.path("shop", "web") == "/apis/apps/v1/namespaces/shop/deployments/web"
