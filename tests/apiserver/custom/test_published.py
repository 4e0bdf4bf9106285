"""Definitions that other projects publish, where they lie beside the checkout; a small one of our own elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.apiserver.conftest import Served, Talk
from tests.apiserver.custom.widgets import DEFINITIONS, manifest, schema, version

FOLDER = Path(__file__).parents[4] / "shared/data"
FILES = [path.name for path in sorted(FOLDER.glob("*.yaml"))]
STANDARD = "gateway-api-v1.6.1-standard.yaml"
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes"

Object = dict[str, Any]


def small() -> Object:
    rules = [{"rule": "has(self.spec) && self.spec.size < 9", "message": "too large"}]
    columns = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
    whole = {"openAPIV3Schema": {**schema(), "x-kubernetes-validations": rules}}
    return manifest(version(schema=whole, additionalPrinterColumns=columns))


def definitions(name: str) -> list[Object]:
    """The definitions of a file; the small one for none."""
    if not name:
        return [small()]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [one for one in yaml.load_all((FOLDER / name).read_text(), Loader=loader) if one]


async def applied(talk: Talk, one: Object) -> Object:
    """Create a definition, or make one that the server has from its start like it."""
    path = f"{DEFINITIONS}/{one['metadata']['name']}?fieldManager=test&force=true&fieldValidation=Strict"
    found: Object = await talk.ok("PATCH", path, one, content_type="application/apply-patch+yaml")
    return found


@pytest.mark.proves("crd-gateway-api")
@pytest.mark.parametrize("name", FILES or [""])
async def test_published_definitions_are_established_with_all_their_rules(talk: Talk, name: str) -> None:
    for one in definitions(name):
        made = await applied(talk, one)
        conditions = {condition["type"]: condition["status"] for condition in made["status"]["conditions"]}
        assert conditions["NamesAccepted"] == conditions["Established"] == "True"
        assert "podwire.io/RulesNotEvaluated" not in conditions
    for one in definitions(name):
        names, spec = one["spec"]["names"], one["spec"]
        for version_ in spec["versions"]:
            if version_["served"]:
                listed = await talk.ok("GET", f"/apis/{spec['group']}/{version_['name']}/{names['plural']}")
                assert listed["kind"] == names.get("listKind", f"{names['kind']}List")


def route(**rule: Any) -> Object:
    spec = {"parentRefs": [{"name": "gateway"}], "hostnames": ["a.example.com"], "rules": [rule]}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "a"},
        "spec": spec,
    }


TO_WEB = [{"name": "web", "port": 80}]
REDIRECT = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}
REFUSED = {
    "Must have port for Service reference": route(backendRefs=[{"name": "web"}]),
    "value must be an absolute path and start with '/'": route(
        matches=[{"path": {"type": "Exact", "value": "x"}}], backendRefs=TO_WEB
    ),
    "must not contain '//' when type one of ['Exact', 'PathPrefix']": route(
        matches=[{"path": {"type": "Exact", "value": "/a//b"}}], backendRefs=TO_WEB
    ),
    "RequestRedirect filter must not be used together with backendRefs": route(backendRefs=TO_WEB, filters=[REDIRECT]),
    "RequestRedirect filter cannot be repeated": route(filters=[REDIRECT, REDIRECT]),
    "backendRequest timeout cannot be longer than request timeout": route(
        backendRefs=TO_WEB, timeouts={"request": "1s", "backendRequest": "2s"}
    ),
    "spec.rules[0].matches[0].method: Unsupported value": route(matches=[{"method": "LOOK"}]),
}
RULES = {"too large": 9, "spec.size in body should be less than or equal to 9": 10}


async def test_wrong_objects_are_refused_in_the_words_of_their_definition(talk: Talk) -> None:
    if STANDARD not in FILES:
        await talk.ok("POST", DEFINITIONS, small())
        place, right = "/apis/example.com/v1/namespaces/default/widgets", _sized(8)
        wrong = {message: _sized(size) for message, size in RULES.items()}
    else:
        for one in definitions(STANDARD):
            await talk.ok("POST", DEFINITIONS, one)
        place, right, wrong = ROUTES, route(backendRefs=TO_WEB), REFUSED
    for message, body in wrong.items():
        code, reason, text = await talk.refused("POST", place, body)
        assert (code, reason) == (422, "Invalid")
        assert message in text
    await talk.ok("POST", place, right)


@pytest.mark.proves("crd-gateway-api", "kubectl-explain")
async def test_kubectl_installs_explains_and_shows_a_kind(served: Served, tmp_path: Path) -> None:
    name = STANDARD if STANDARD in FILES else ""
    path = FOLDER / name
    if not name:
        path = tmp_path / "definition.json"
        path.write_text(json.dumps(small()))
    kind, resource = (
        ("httproute", "httproutes.gateway.networking.k8s.io") if name else ("widget", "widgets.example.com")
    )
    field, column, body = ("hostnames", "HOSTNAMES", route(backendRefs=TO_WEB)) if name else ("size", "SIZE", _sized(3))
    assert f"{resource} created" in await served.kubectl("create", "-f", str(path))
    await served.kubectl("wait", "--for=condition=Established", f"crd/{resource}", "--timeout=10s")
    assert f"  {field}\t<" in await served.kubectl("explain", f"{kind}.spec")
    await served.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    head, line = (await served.kubectl("get", kind, "-o", "wide")).splitlines()
    assert head.split()[:2] == ["NAME", column]
    assert line.split()[0] == "a"
    broken = {**body, "spec": {**body["spec"], "typo": 1}}
    refused = await served.kubectl("apply", "-f", "-", stdin=json.dumps(broken), fails=True)
    assert 'unknown field "spec.typo"' in refused
    await served.kubectl("delete", "crd", resource, "--timeout=20s")
    assert "the server doesn't have a resource type" in await served.kubectl("get", resource, fails=True)


def _sized(size: int) -> Object:
    own = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}}
    return {**own, "spec": {"size": size}}
