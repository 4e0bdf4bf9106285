"""The manifests of examples/gateway are accepted as they are, without a warning, in the order of their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from podwire.apiserver.base.requests import Response
from podwire.apiserver.main import running
from podwire.kube import gateway_api
from tests.apiserver.conftest import Files, Talk, configuration

FOLDER = Path(__file__).parents[2] / "examples/gateway"


def manifests() -> list[dict[str, Any]]:
    return [one for file in sorted(FOLDER.glob("*.yaml")) for one in yaml.safe_load_all(file.read_text())]


async def test_every_manifest_is_accepted_without_a_warning(files: Files) -> None:
    async with running(configuration(files, gateway_api="standard")) as server:
        talk = Talk(server)
        await talk.ok("GET", f"/apis/{gateway_api.GROUP}/v1/gatewayclasses")
        for manifest in manifests():
            resource = server.registry.by_kind(manifest["apiVersion"], manifest["kind"])
            assert resource is not None
            namespace = manifest["metadata"].get("namespace", "")
            place = f"namespaces/{namespace}/" if namespace else ""
            path = f"/{resource.group_version}/{place}{resource.plural}?fieldValidation=Strict"
            answer = await talk.answer("POST", path, manifest)
            assert isinstance(answer, Response)
            assert answer.code == 201, (manifest["metadata"]["name"], answer.body)
            assert not answer.warnings


def test_the_certificates_fit_their_keys_and_the_listeners() -> None:
    secrets = {one["metadata"]["name"]: one["stringData"] for one in manifests() if one["kind"] == "Secret"}
    names = {}
    for name, data in secrets.items():
        certificate = x509.load_pem_x509_certificate(data["tls.crt"].encode())
        key = serialization.load_pem_private_key(data["tls.key"].encode(), None)
        assert certificate.public_key() == key.public_key()
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names[name] = extension.value.get_values_for_type(x509.DNSName)
    assert names == {"example-com": ["*.example.com"], "vault": ["vault.example.com"]}


def test_each_kind_that_users_begin_with_is_there() -> None:
    kinds = {one["kind"] for one in manifests()}
    assert kinds >= {"Gateway", "HTTPRoute", "GRPCRoute", "TLSRoute", "ReferenceGrant", "Secret"}
