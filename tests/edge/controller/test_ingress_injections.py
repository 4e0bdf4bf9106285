"""Published vulnerabilities of ingress-nginx by their names: each is reported, and its text is in no resource.

Texts are like those of the advisories (kubernetes/kubernetes issues) and of published proofs. What Envoy makes of any
text is in tests/edge/envoy/test_ingress_threats.py; CVE-2026-24513 is in test_ingress_access.py.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.edge.ingress.kinds import Ingress
from tests.edge.controller.test_ingress_translation import Cluster
from tests.edge.ingress.objects import claim, ingress, path

MARK = "ssl_engine"
TEXT = f"a#;\n\n}}\n}}\n}}\n{MARK} ../../../../../../proc/29/fd/9;"

OF_ANNOTATIONS: dict[str, dict[str, Any]] = {
    "CVE-2021-25742": {"configuration_snippet": f"{MARK} /x;", "server_snippet": f"{MARK} /x;"},
    "CVE-2021-25746": {"permanent_redirect": f"https://a.example/;\n}}\n{MARK} x;"},
    "CVE-2024-7646": {"auth_tls_verify_client": f"on\r{MARK} x;", "canary_by_header": f"x\r{MARK} x;"},
    "CVE-2025-1097": {"auth_tls_match_cn": f"CN=abc #(\n){{}}\n }}}}\n{MARK} x;\n#(?="},
    "CVE-2025-1098": {"mirror_target": f"http://{TEXT}", "mirror_host": TEXT},
    "CVE-2025-1974": {"auth_url": f"http://example.com/#;{TEXT}"},
    "CVE-2025-24513": {"auth_type": "basic", "auth_secret": f"../../../{MARK}"},
    "CVE-2025-24514": {"auth_url": f"http://example.com/#;\n}}\n{MARK} /tmp/evil.so;"},
    "CVE-2025-15566": {"auth_proxy_set_headers": f"shop/a;\n}}\n{MARK}"},
    "CVE-2026-1580": {"auth_url": "http://web.shop.svc.cluster.local/", "auth_method": f"GET;\n}}\n{MARK} x;"},
    "CVE-2026-4342": {"rewrite_target": f"/$1 # {MARK};\n}}", "auth_realm": f"a\n# {MARK} x;"},
}
OF_PATHS = {
    "CVE-2021-25748": f"/a\n\n}}\n{MARK} x;(?=",
    "CVE-2026-24512": f'/a" {{}}\n}}\n{MARK} x;#((((',
}


def cluster(*items: Ingress) -> Cluster:
    """Return the resources of the Ingresses, beside one that is right."""
    found = Cluster()
    found.service("web", "10.0.0.1")
    for item in (ingress("right", path("/"), host="right.example.com"), *items):
        found.put(item)
    found.apply()
    return found


def has(found: Cluster, text: str) -> bool:
    return any(text.encode() in one.body for one in found.resources.values())


def injected(**fields: Any) -> Cluster:
    return cluster(ingress("a", path("/"), **fields))


@pytest.mark.parametrize("name", OF_ANNOTATIONS)
def test_a_text_in_an_annotation_is_reported_and_in_no_resource(name: str) -> None:
    notes = OF_ANNOTATIONS[name]
    problems = claim(ingress("a", path("/"), **notes)).read.problems
    reported = {one.annotation.rpartition("/")[2] for one in problems}
    assert reported == {one.replace("_", "-") for one, text in notes.items() if MARK in text}
    found = injected(**notes)
    assert has(found, "right.example.com")
    assert not has(found, MARK)


@pytest.mark.parametrize("name", OF_PATHS)
def test_a_text_in_a_path_that_is_no_expression_is_left_out(name: str) -> None:
    wrong = path(OF_PATHS[name], path_type="ImplementationSpecific")
    found = cluster(ingress("a", wrong, path("/ok"), use_regex="true"))
    assert list(found.translation.problems(["app.example.com"]))
    assert has(found, "/ok")
    assert not has(found, MARK)


def test_the_marked_text_would_be_found() -> None:
    assert has(injected(custom_headers=""), "app.example.com")
    assert has(injected(app_root=f"/{MARK}"), MARK), "a value that is right is in a resource"


def test_a_uid_of_cve_2025_1098_is_in_no_resource() -> None:
    item = ingress("a", path("/"), mirror_target="http://web.shop.svc.cluster.local/")
    hostile = msgspec.structs.replace(item, metadata=msgspec.structs.replace(item.metadata, uid=TEXT))
    found = cluster(hostile)
    assert has(found, "app.example.com")
    assert not has(found, MARK)
