"""The subresource `proxy`: who is meant, who may, and what is passed on."""

from typing import Any

import pytest
from multidict import CIMultiDict

from podwire.apiserver.base import routes
from podwire.apiserver.base.requests import Response
from podwire.apiserver.base.status import StatusError
from podwire.apiserver.storage.revisions import Stored
from podwire.apiserver.streams import proxy_target
from podwire.apiserver.streams.proxy_target import Address, Backend
from podwire.apiserver.streams.relays import Proxied
from podwire.http.reverse_proxy import onward
from tests.apiserver.conftest import Talk
from tests.apiserver.samples import PODS, pod

SERVICES = "/api/v1/namespaces/default/services"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("web", Address("", "web", "")),
        ("web:http", Address("", "web", "http")),
        ("https:web:443", Address("https", "web", "443")),
        (":web:80", Address("", "web", "80")),
        ("http:web:", Address("http", "web", "")),
    ],
)
def test_names_with_scheme_and_port(text: str, meant: Address) -> None:
    assert proxy_target.address(text, "service") == meant


@pytest.mark.parametrize("text", ["ftp:web:80", "a:b:c:d", "http::80", ""])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(StatusError, match=f'invalid service request "{text}"'):
        proxy_target.address(text, "service")


def service(*ports: tuple[str, int]) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"ports": [{"name": name, "port": port} for name, port in ports]}}


def endpoint_slice(name: str, port: int, *addresses: str, ready: bool = True, of: str = "web") -> dict[str, Any]:
    endpoints = [{"addresses": [one], "nodeName": "n1", "conditions": {"ready": ready}} for one in addresses]
    labels = {proxy_target.SERVICE_LABEL: of}
    ports = [{"name": name, "port": port}]
    return {"metadata": {"labels": labels}, "addressType": "IPv4", "endpoints": endpoints, "ports": ports}


def test_a_port_of_a_service_leads_to_its_ready_endpoints() -> None:
    web = service(("http", 80), ("admin", 81))
    slices = [
        endpoint_slice("http", 8080, "10.0.0.1", "10.0.0.2"),
        endpoint_slice("http", 8080, "10.0.0.3", ready=False),
        endpoint_slice("admin", 9090, "10.0.0.1"),
    ]
    backends = (Backend("n1", "10.0.0.1", 8080), Backend("n1", "10.0.0.2", 8080))
    assert proxy_target.of_service(web, slices, "80") == proxy_target.of_service(web, slices, "http") == backends
    assert proxy_target.of_service(web, slices, "admin") == (Backend("n1", "10.0.0.1", 9090),)
    for port, message in (("82", 'no service port 82 found for service "web"'), ("x", "no endpoints available")):
        with pytest.raises(StatusError, match=message) as refused:
            proxy_target.of_service(web, slices, port)
        assert (refused.value.code, refused.value.details.retry_after_seconds) == (503, 0)


def test_a_pod_s_port_is_the_given_or_the_first_that_it_declares() -> None:
    runs = {"metadata": {"name": "a"}, "spec": {"nodeName": "n1", "containers": [{"ports": [{"containerPort": 7}]}]}}
    runs["status"] = {"podIP": "fd00::1"}
    assert proxy_target.of_pod(runs, "") == Backend("n1", "fd00::1", 7)
    assert proxy_target.of_pod(runs, "8") == Backend("n1", "fd00::1", 8)
    for port in ("x", "0", "65536"):
        with pytest.raises(StatusError):
            proxy_target.of_pod(runs, port)
    with pytest.raises(StatusError, match="has no address"):
        proxy_target.of_pod({**runs, "status": {}}, "")


def test_the_rest_of_a_path_is_left_as_it_was_sent() -> None:
    route = routes.parse(f"{SERVICES}/http:web:80/proxy/a//../%2e%2F?")
    assert route is not None
    assert (route.plural, route.name, route.subresource, route.rest) == (
        "services",
        "http:web:80",
        "proxy",
        "/a//../%2e%2F?",
    )
    assert routes.parse("/api/v1/namespaces/default/configmaps/a/proxy/x") is None


def test_what_is_for_the_api_server_or_for_one_connection_is_not_passed_on() -> None:
    sent = {
        "Host": "h",
        "Authorization": "Bearer x",
        "Impersonate-User": "eve",
        "Connection": "X-Own, close",
        "X-Own": "1",
        "Transfer-Encoding": "chunked",
        "Expect": "100-continue",
        "X-Other": "2",
    }
    headers = CIMultiDict(sent)
    headers.add("Connection", "X-More")
    headers.add("X-More", "3")
    assert onward(headers) == CIMultiDict({"Host": "h", "X-Other": "2"})


@pytest.mark.proves("kubectl-proxy")
async def test_a_request_is_passed_on_to_the_runtime_of_the_node(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod(nodeName="n1"))
    merge = "application/merge-patch+json"
    await talk.ok("PATCH", f"{PODS}/web/status", {"status": {"podIP": "fd00::1"}}, content_type=merge)
    answer = await talk.answer("POST", f"{PODS}/http:web:81/proxy/a/b?x=1&x=2", b"body")
    assert isinstance(answer, Proxied)
    assert answer.hop.url == "http://kubelet/proxy/http/fd00%3A%3A1/81/a/b?x=1&x=2"
    assert answer.hop.socket.endswith("/n1/runtime.sock")
    assert (answer.hop.prefix, answer.body) == (f"{PODS}/http:web:81/proxy", b"body")
    without = await talk.answer("GET", f"{PODS}/web/proxy")
    assert isinstance(without, Response)
    assert (without.code, without.headers["Location"]) == (301, f"{PODS}/web/proxy/")
    assert (await talk.refused("GET", f"{PODS}/gone/proxy/"))[:2] == (404, "NotFound")
    assert (await talk.as_user("eve").refused("GET", f"{PODS}/web/proxy/"))[:2] == (403, "Forbidden")


async def test_of_all_slices_only_those_of_the_service_are_read(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    await talk.ok("POST", SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    for of in ("web", "other"):
        entry = endpoint_slice("", 8080, "10.0.0.1", of=of)
        await talk.ok("POST", slices, {**entry, "metadata": {**entry["metadata"], "name": of}})
    read: list[str] = []
    decoded = Stored.object

    def seen(one: Stored) -> dict[str, Any]:
        read.append(f"{one.key.storage}/{one.key.name}")
        return decoded(one)

    monkeypatch.setattr(Stored, "object", seen)
    answer = await talk.answer("GET", f"{SERVICES}/web/proxy/")
    assert isinstance(answer, Proxied)
    assert answer.hop.url == "http://kubelet/proxy/http/10.0.0.1/8080/"
    assert read == ["services/web", "endpointslices.discovery.k8s.io/web"]


async def test_a_node_without_a_port_or_with_the_kubelet_s_is_its_kubelet(talk: Talk) -> None:
    await talk.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    for name in ("n1", "n1:10250", "https:n1:10250"):
        answer = await talk.answer("GET", f"/api/v1/nodes/{name}/proxy/healthz?verbose=")
        assert isinstance(answer, Proxied)
        assert answer.hop.url == "http://kubelet/healthz?verbose="
        assert answer.hop.socket.endswith("/n1/runtime.sock")
    assert (await talk.refused("GET", "/api/v1/nodes/n2/proxy/healthz"))[0] == 404
    assert (await talk.as_user("eve").refused("GET", "/api/v1/nodes/n1/proxy/healthz"))[0] == 403
