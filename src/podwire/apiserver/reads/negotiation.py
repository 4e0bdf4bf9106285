"""Which form an answer takes: plain JSON, a Table, or metadata alone, by the Accept header.

Source: k8s.io/apiserver `pkg/endpoints/handlers/negotiation`, kubernetes.io "Receiving resources as Tables".
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from podwire.apiserver.base import status

SERVED = "application/json, application/yaml"
TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_JSON_RANGES = frozenset({"application/json", "application/*", "*/*"})


VERSIONS = ("v1", "v1beta1")
"""Of meta.k8s.io; both have the same fields."""


class Form(enum.Enum):
    """How objects are shown."""

    PLAIN = "plain"
    TABLE = "table"
    METADATA = "metadata"


class Accepted(NamedTuple):
    """What a client accepts: a form, and for all but plain objects the version of meta.k8s.io that it is in."""

    form: Form
    version: str = "v1"


def form(accept: str) -> Form:
    """The form of the first acceptable entry; raises StatusError 406 where nothing can be answered."""
    return negotiate(accept).form


def negotiate(accept: str, *, tables: bool = True) -> Accepted:
    """The first acceptable entry of an Accept header; raises StatusError 406 where nothing can be answered.

    `tables` False: for kinds without columns, of which no table can be made.
    """
    for entry in (accept or "*/*").split(","):
        media_type, *parameters = (part.strip() for part in entry.split(";"))
        if media_type not in _JSON_RANGES:
            continue
        requested = dict(parameter.partition("=")[::2] for parameter in parameters)
        kind, group, version = (requested.get(key, "") for key in ("as", "g", "v"))
        if not kind:
            return Accepted(Form.PLAIN)
        if group != "meta.k8s.io" or version not in VERSIONS:
            continue
        if kind == "Table" and tables:
            return Accepted(Form.TABLE, version)
        if kind in {"PartialObjectMetadata", "PartialObjectMetadataList"}:
            return Accepted(Form.METADATA, version)
    if any(entry.split(";")[0].strip() == "application/yaml" for entry in accept.split(",")):
        return Accepted(Form.PLAIN)
    raise status.not_acceptable(SERVED)


def wants_pretty(pretty: str, user_agent: str) -> bool:
    """Whether the answer is indented: by the parameter `pretty`, else for user agents that show it to people."""
    return pretty in TRUE if pretty else user_agent.startswith(("curl", "Wget", "Mozilla/5.0"))


def wants_yaml(accept: str) -> bool:
    """Whether YAML is accepted before JSON."""
    for entry in accept.split(","):
        media_type = entry.split(";")[0].strip()
        if media_type in _JSON_RANGES:
            return False
        if media_type == "application/yaml":
            return True
    return False
