import msgspec

from podwire.kube.api_discovery import ResourceList, discover, kinds
from podwire.kube.client import ApiError

DOCUMENT = b"""{"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": [
  {"name": "deployments", "kind": "Deployment", "namespaced": true, "verbs": ["get", "list", "watch", "delete"]},
  {"name": "deployments/scale", "kind": "Scale", "namespaced": true, "verbs": ["get", "list", "watch", "delete"]},
  {"name": "reviews", "kind": "Review", "verbs": ["create"]}]}"""


def test_only_whole_resources_that_can_be_followed_and_deleted_count() -> None:
    (found,) = kinds(msgspec.json.decode(DOCUMENT, type=ResourceList))
    assert (found.kind, found.namespaced) == ("Deployment", True)
    assert found.path("shop", "web") == "/apis/apps/v1/namespaces/shop/deployments/web"


class Server:
    """Answers discovery; a path without an answer is not found."""

    def __init__(self, answers: dict[str, object]) -> None:
        self.answers = answers

    async def fetch(self, path: str) -> bytes:
        if path not in self.answers:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        answer = self.answers[path]
        if isinstance(answer, ApiError):
            raise answer
        return msgspec.json.encode(answer)


def group(name: str, *versions: str) -> dict[str, object]:
    listed = [{"groupVersion": f"{name}/{version}"} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def resources(group_version: str, *plurals: str) -> dict[str, object]:
    verbs = ["list", "watch", "delete"]
    listed = [{"name": plural, "kind": plural.capitalize(), "verbs": verbs} for plural in plurals]
    return {"groupVersion": group_version, "resources": listed}


async def test_each_kind_comes_once_in_the_first_version_that_has_it() -> None:
    server = Server(
        {
            "/apis": {"groups": [group("example.com", "v1", "v1alpha1"), group("gone.com", "v1")]},
            "/api/v1": resources("v1", "pods"),
            "/apis/example.com/v1": resources("example.com/v1", "routes"),
            "/apis/example.com/v1alpha1": resources("example.com/v1alpha1", "routes", "meshes"),
        }
    )
    found = [(kind.api_version, kind.resource) for kind in (await discover(server)).kinds]
    assert found == [("v1", "pods"), ("example.com/v1", "routes"), ("example.com/v1alpha1", "meshes")]


async def test_a_group_that_cannot_be_read_is_reported_and_hides_no_other() -> None:
    unavailable = ApiError(503, "ServiceUnavailable", "the server is currently unable to handle the request")
    server = Server(
        {
            "/apis": {"groups": [group("broken.com", "v1"), group("example.com", "v1")]},
            "/api/v1": resources("v1", "pods"),
            "/apis/broken.com/v1": unavailable,
            "/apis/example.com/v1": resources("example.com/v1", "routes"),
        }
    )
    found = await discover(server)
    assert [kind.resource for kind in found.kinds] == ["pods", "routes"]
    assert found.errors == {"broken.com/v1": "the server is currently unable to handle the request"}
