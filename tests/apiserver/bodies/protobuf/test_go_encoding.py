"""A CustomResourceDefinition as Go encodes it: made by `Marshal` of k8s.io/apiextensions-apiserver v0.37.2."""

import base64
from typing import Any

from podwire.apiserver.bodies.protobuf import envelope
from tests.apiserver.bodies.protobuf.encoder import envelope as wrapped
from tests.apiserver.conftest import Talk
from tests.apiserver.custom.widgets import DEFINITIONS

ENCODED = """
CiMKE3dpZGdldHMuZXhhbXBsZS5jb20SABoAIgAqADIAOABCABLnAwoLZXhhbXBsZS5jb20aJQoHd2lkZ2V0cxIGd2lkZ2V0IgZX
aWRnZXQqCldpZGdldExpc3QiCk5hbWVzcGFjZWQ6ogMKAnYxEAEYASKRAwqOAwoAEgAiACoGb2JqZWN0MgA6AFAAYAB6AJABAOoB
VAoBYRJPCgASACIAKgVhcnJheTIAOgBQAGAAegCAAQOQAQDCASYKJAoAEgAiACoGc3RyaW5nMgA6AFAAYAB6AJABAKgCALgCAMAC
AKgCALgCAMACAOoBSQoBYhJECgASACIAKgZudW1iZXIyADoAQgUKAzEuNUkAAAAAAAAjQFAAYAB6AJABAKIBBQoDMS41ogEFCgMi
eCKoAgC4AgDAAgDqAVQKAWMSTwoAEgAiACoGb2JqZWN0MgA6AFAAYAB6AJABAPIBKAgBEiQKABIAIgAqBnN0cmluZzIAOgBQAGAA
egCQAQCoAgC4AgDAAgCoAgC4AgDAAgDqATEKAWQSLAoAEgAiACoGb2JqZWN0MgA6AFAAYAB6AJABAPIBAggAqAIAsAIBuAIAwAIA
6gE5CgFlEjQKABIAIgAqBm9iamVjdDIAOgBQAGAAegCQAQCoAgC4AgDAAgDiAg0KBHRydWUSAW0aACoAqAIAuAIAwAIAKgIKADgA
UAAaDBIICgASACIAKgAgAA==
"""
MESSAGE = base64.b64decode(ENCODED)
SPEC: dict[str, Any] = {
    "group": "example.com",
    "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
    "scope": "Namespaced",
    "versions": [
        {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {
                "openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "a": {"type": "array", "maxItems": 3, "items": {"type": "string"}},
                        "b": {"type": "number", "default": 1.5, "maximum": 9.5, "enum": [1.5, "x"]},
                        "c": {"type": "object", "additionalProperties": {"type": "string"}},
                        "d": {
                            "type": "object",
                            "additionalProperties": False,
                            "x-kubernetes-preserve-unknown-fields": True,
                        },
                        "e": {"type": "object", "x-kubernetes-validations": [{"rule": "true", "message": "m"}]},
                    },
                }
            },
            "subresources": {"status": {}},
        }
    ],
}
"""The same object's `spec` as Go writes it in JSON."""


def body() -> bytes:
    return wrapped("apiextensions.k8s.io/v1", "CustomResourceDefinition", MESSAGE)


def test_it_is_read_as_go_writes_it_in_json() -> None:
    read = envelope.read(body())
    assert read["spec"] == SPEC
    assert read["metadata"]["name"] == "widgets.example.com"


async def test_an_operator_that_sends_it_can_use_its_kind(talk: Talk) -> None:
    made = await talk.ok("POST", DEFINITIONS, body(), content_type=envelope.MEDIA_TYPE)
    assert made["spec"]["versions"][0]["schema"] == SPEC["versions"][0]["schema"]
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "a": ["x"], "d": {"any": 1}}
    stored = await talk.ok("POST", "/apis/example.com/v1/namespaces/default/widgets", widget)
    assert (stored["a"], stored["d"], stored["b"]) == (["x"], {"any": 1}, 1.5)
