"""Which form an answer takes: plain JSON, a Table, or metadata alone, by the Accept header.

Source: k8s.io/apiserver `pkg/endpoints/handlers/negotiation`, kubernetes.io "Receiving resources as Tables".
"""

from __future__ import annotations

import enum

from podwire.apiserver.base import status

SERVED = "application/json, application/yaml"
TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_JSON_RANGES = frozenset({"application/json", "application/*", "*/*"})


class Form(enum.Enum):
    """How objects are shown."""

    PLAIN = "plain"
    TABLE = "table"
    METADATA = "metadata"


def form(accept: str) -> Form:
    """The form of the first acceptable entry; raises StatusError 406 where nothing can be answered."""
    for entry in (accept or "*/*").split(","):
        media_type, *parameters = (part.strip() for part in entry.split(";"))
        if media_type not in _JSON_RANGES:
            continue
        wanted = dict(parameter.partition("=")[::2] for parameter in parameters)
        kind, group, version = (wanted.get(key, "") for key in ("as", "g", "v"))
        if not kind:
            return Form.PLAIN
        if (group, version) != ("meta.k8s.io", "v1"):
            continue
        if kind == "Table":
            return Form.TABLE
        if kind in {"PartialObjectMetadata", "PartialObjectMetadataList"}:
            return Form.METADATA
    if any(entry.split(";")[0].strip() == "application/yaml" for entry in accept.split(",")):
        return Form.PLAIN
    raise status.not_acceptable(SERVED)


def wants_pretty(pretty: str, user_agent: str) -> bool:
    """Whether a person reads the answer: the parameter `pretty` says so, else the name of a program for people."""
    return pretty in TRUE if pretty else user_agent.startswith(("curl", "Wget", "Mozilla/5.0"))


def wants_yaml(accept: str) -> bool:
    """Whether YAML is asked for before JSON."""
    for entry in accept.split(","):
        media_type = entry.split(";")[0].strip()
        if media_type in _JSON_RANGES:
            return False
        if media_type == "application/yaml":
            return True
    return False
