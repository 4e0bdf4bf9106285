import pytest

from podwire.apiserver.access.request_attributes import on_resource
from podwire.apiserver.base import routes
from podwire.apiserver.base.requests import Request
from podwire.apiserver.base.status import StatusError

POD = "/api/v1/namespaces/a/pods/web"


def verb(method: str, path: str) -> str:
    route = routes.parse(path)
    assert route is not None
    return on_resource(Request(method, path, None), route).verb


@pytest.mark.parametrize("path", [f"{POD}/proxy", f"{POD}/proxy/some/path"])
def test_options_through_a_proxy_has_no_verb(path: str) -> None:
    assert verb("OPTIONS", path) == ""
    assert verb("POST", path) == "create"


@pytest.mark.parametrize(("method", "path"), [("OPTIONS", POD), ("OPTIONS", f"{POD}/log"), ("TRACE", f"{POD}/proxy")])
def test_methods_without_a_verb_are_refused(method: str, path: str) -> None:
    with pytest.raises(StatusError) as refused:
        verb(method, path)
    assert refused.value.code == 405
