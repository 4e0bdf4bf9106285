import hashlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from podwire.apiserver.definitions import serving
from podwire.apiserver.documents import discovery
from podwire.apiserver.documents.openapi import Documents
from podwire.apiserver.kinds.builtin import registry
from podwire.apiserver.kinds.resources import Registry
from tests.apiserver.custom.widgets import definition

KUBECTL = Path(sys.executable).with_name("kubectl")
REGISTRY = registry()
DOCUMENTS = Documents(REGISTRY)


class CannedServer(BaseHTTPRequestHandler):
    """Discovery and OpenAPI as they are; every write is answered with its own body."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/openapi/v3":
            return self._answer(DOCUMENTS.index())
        if path.startswith("/openapi/v3/"):
            body = DOCUMENTS.document(path.removeprefix("/openapi/v3/"))
            return self._answer(body or b"{}", 200 if body else 404)
        forms = {"/api": discovery.aggregated_core, "/apis": discovery.aggregated_groups}
        if path in forms:
            assert discovery.wants_aggregated(self.headers["Accept"])
            return self._answer(json.dumps(forms[path](REGISTRY)).encode(), kind=discovery.AGGREGATED_CONTENT_TYPE)
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        return self._answer(json.dumps(status).encode(), 404)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])), 201)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def _answer(self, body: bytes, code: int = 200, kind: str = "application/json") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    listener = ThreadingHTTPServer(("127.0.0.1", 0), CannedServer)
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}"
    listener.shutdown()
    listener.server_close()
    thread.join()


def kubectl(server: str, home: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(KUBECTL), "--server", server, "--cache-dir", str(home), "--kubeconfig", "/dev/null", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.proves("openapi-v3-descriptions", "kubectl-explain")
@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("pod.spec.containers", "List of containers belonging to the pod"),
        ("svc.spec.ports.port", "The port that will be exposed by this service"),
        ("deploy.spec.strategy", "DeploymentStrategy"),
        ("netpol.spec.egress.to.ipBlock", "cidr"),
    ],
)
def test_kubectl_explain_describes_a_field(server: str, tmp_path: Path, path: str, seen: str) -> None:
    answer = kubectl(server, tmp_path, "explain", path)
    assert seen in answer.stdout, answer.stderr


def test_kubectl_explain_refuses_a_field_that_is_not_there(server: str, tmp_path: Path) -> None:
    answer = kubectl(server, tmp_path, "explain", "pod.spec.container")
    assert 'field "container" does not exist' in answer.stderr


def test_kubectl_create_leaves_validation_to_the_server(server: str, tmp_path: Path) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}, "unknown": 1}
    answer = kubectl(server, tmp_path, "create", "-f", "-", stdin=json.dumps(manifest))
    assert answer.stdout == "configmap/a created\n", answer.stderr


@pytest.mark.proves("resource-names", "kubectl-get-all")
def test_kubectl_knows_short_names_and_categories(server: str, tmp_path: Path) -> None:
    answer = kubectl(server, tmp_path, "api-resources", "--no-headers", "--categories", "all", "-o", "name")
    assert {"pods", "services", "deployments.apps", "jobs.batch"} <= set(answer.stdout.split())
    assert "configmaps" not in answer.stdout


@pytest.mark.parametrize("group_version", list(REGISTRY.group_versions()))
def test_every_reference_has_its_component(group_version: str) -> None:
    text = DOCUMENTS.document(group_version)
    assert text is not None
    components = json.loads(text)["components"]["schemas"]
    assert {name.decode() for name in re.findall(rb'"#/components/schemas/([^"]+)"', text)} <= components.keys()


@pytest.mark.proves("openapi-v3-patch-parameters", "openapi-v3-patch-types", "openapi-v3-kinds")
def test_patch_operations_list_their_media_types() -> None:
    operation = paths(DOCUMENTS, "api/v1")["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert operation["x-kubernetes-group-version-kind"] == {"group": "", "version": "v1", "kind": "Pod"}
    assert {"fieldValidation", "dryRun"} <= {parameter["name"] for parameter in operation["parameters"]}
    assert "application/strategic-merge-patch+json" in operation["requestBody"]["content"]
    assert "application/apply-patch+yaml" not in operation["requestBody"]["content"]


def test_server_side_apply_is_offered_only_where_it_is_served() -> None:
    documents = Documents(REGISTRY, server_side_apply=True)
    operation = paths(documents, "apis/apps/v1")["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert "application/apply-patch+yaml" in operation["requestBody"]["content"]


@pytest.mark.proves("openapi-v3-index")
def test_the_hash_changes_only_with_the_served_resources() -> None:
    own = Registry(REGISTRY.all())
    documents = Documents(own)
    before = documents.etag("apis/apps/v1")
    assert documents.etag("api/v1") == DOCUMENTS.etag("api/v1")
    own.remove("apps", "v1", "replicasets")
    assert documents.etag("apis/apps/v1") != before
    assert documents.etag("api/v1") == DOCUMENTS.etag("api/v1")


@pytest.mark.proves("openapi-v3-patch-types")
def test_a_kind_of_a_user_has_its_own_schema_and_no_strategic_merge() -> None:
    own = Registry(REGISTRY.all())
    for resource in serving.resources(definition(), since=0):
        own.add(resource)
    text = Documents(own).document("apis/example.com/v1")
    assert text is not None
    whole = json.loads(text)
    assert whole["components"]["schemas"]["com.example.v1.Widget"]["properties"]["spec"]["type"] == "object"
    patch = whole["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]


def test_what_is_not_served_has_no_document() -> None:
    assert DOCUMENTS.document("apis/example.com/v1") is None
    assert DOCUMENTS.etag("apis/example.com/v1") == ""
    assert b"example.com" not in DOCUMENTS.index()


def paths(documents: Documents, group_version: str) -> dict[str, Any]:
    text = documents.document(group_version)
    assert text is not None
    found: dict[str, Any] = json.loads(text)["paths"]
    return found


def test_hashes_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    documents, made = Documents(REGISTRY), list[bytes]()
    real = hashlib.sha256

    def counted(content: bytes) -> Any:
        made.append(content)
        return real(content)

    monkeypatch.setattr("podwire.apiserver.documents.openapi.hashlib.sha256", counted)
    assert documents.index() == documents.index()
    assert len(made) == len(REGISTRY.group_versions())
