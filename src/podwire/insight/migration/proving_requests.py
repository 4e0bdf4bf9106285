"""Requests that show what each path of Ingresses does: for `podwire replay`."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator

import msgspec

from podwire.edge.ingress.kinds import HTTPIngressPath
from podwire.insight.migration.ingresses import Written
from podwire.insight.replay.requests import ReplayRequest

_GROUP = re.compile(r"\((?:[^()]|\([^()]*\))*\)")


def proving_requests(found: Iterable[Written]) -> tuple[ReplayRequest, ...]:
    """Return requests for the paths themselves, below and beside them, and those of canaries and preflights."""
    requests: dict[str, ReplayRequest] = {}
    for one in found:
        for rule in one.claim.item.spec.rules:
            host = rule.host.replace("*", "any") or "unnamed.example.com"
            for path in rule.http.paths if rule.http else ():
                for request in _of_path(one, host, path):
                    requests.setdefault(repr(request), request)
    return tuple(requests.values())


FILE = "requests.yaml"
HEAD = """# Requests that show each rule, for `podwire replay`. They are in a ConfigMap, as kubectl takes
# each file of a folder for an object.
"""


def text(requests: Iterable[ReplayRequest], namespace: str) -> str:
    """Return the requests as a ConfigMap in YAML; what of a request is as by default is left out."""
    from podwire.kube import yaml_output  # late: not every user of this module writes text

    default = ReplayRequest()
    shown = [
        {
            name: value
            for name in ReplayRequest.__struct_fields__
            if (value := getattr(one, name)) != getattr(default, name) or name in {"host", "path"}
        }
        for one in requests
    ]
    listed = yaml_output.block(msgspec.to_builtins(shown))
    metadata = {"name": "ingress-requests", "namespace": namespace}
    head = yaml_output.block({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    return f"{HEAD}{head}data:\n  {FILE}: |\n{textwrap.indent(listed, '    ')}"


def _of_path(one: Written, host: str, path: HTTPIngressPath) -> Iterator[ReplayRequest]:
    settings = one.claim.settings
    plain = _GROUP.sub("", path.path or "/").rstrip("/^$*.+?") or "/"
    below = plain.rstrip("/")
    for tried in (plain, f"{below}/", f"{below}/below?q=1", f"{below}beside", plain.upper()):
        yield ReplayRequest(tried if tried.startswith("/") else f"/{tried}", host)
    if settings.canary_by_header:
        for value in (settings.canary_by_header_value or "always", "never", "other"):
            yield ReplayRequest(plain, host, headers={settings.canary_by_header: value})
    if settings.enable_cors:
        for origin in ("https://example.com", *settings.cors_allow_origin):
            headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
            yield ReplayRequest(plain, host, "OPTIONS", headers)
    if settings.auth_type:
        yield ReplayRequest(plain, host, headers={"Authorization": "Basic bm9ib2R5Ondyb25n"})
