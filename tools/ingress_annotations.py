"""Write docs/reference/ingress-annotations.md from the table of annotations: `python -m tools.ingress_annotations`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from podwire.edge.ingress.annotations.table import TABLE, Annotation, Support
from tools.generated_page import write_or_check

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "ingress-annotations.md"
INTRODUCTION = """# Annotations of Ingresses

Every annotation of ingress-nginx v1.15.1, which is archived. Each may be written with the prefix
`nginx.ingress.kubernetes.io/` or `podwire.dev/`; of both the first counts. A value is read by a grammar of its own,
with bounds; no value becomes a part of a configuration's text. One that is not honoured, not known or not valid is an
event on the Ingress. Ingresses have no conditions: its reason is the error of the ports in the status too:

    kubectl describe ingress NAME
    kubectl get ingress -A -o custom-columns='NAME:.metadata.name,ERROR:.status.loadBalancer.ingress[0].ports[0].error'

An annotation that is not valid has its default, as in ingress-nginx; where it protects (addresses, users, certificates,
authorization) all paths of the Ingress answer 503, as they do where the Secret or Service that it names is missing:
nothing that was protected becomes public.

What no filter of Envoy does is done by one constant script (`edge/envoy/location.lua`), which gets values, never a text
of an Ingress as a part of it. Of nginx's variables those are known that a value may have: `$host`, `$http_host`,
`$scheme`, `$request_uri`, `$escaped_request_uri`, `$uri`, `$args`, `$request_method`, `$request_id`, `$remote_addr`,
`$http_NAME`, `$cookie_NAME`, `$arg_NAME`, `$namespace`, `$ingress_name`, `$service_name`, `$service_port`,
`$location_path`.

Exact: as ingress-nginx documents it. Differs: how is said. Refused: it has no effect, and why.

Made from the table of annotations by `python -m tools.ingress_annotations`; a test keeps it true. Another one sends the
same requests to Debian's nginx, with a configuration by the rules of ingress-nginx, and to Envoy
(`tests/edge/nginx`): what their answers and what backends receive differ in is in this page.

## Beside annotations

What a backend receives (Host, path, X-Real-IP, X-Scheme, X-Request-ID, X-Forwarded-For, -Host, -Port, -Proto, -Scheme,
X-Original-Forwarded-For, -Host) is as from ingress-nginx. These differ:

| subject | podwire |
|---|---|
"""
BESIDE = (
    ("path", ("a backend receives the path as it was matched: without dot segments, repeated slashes, backslashes and "
     "escapes of plain letters; nginx matches that too, but sends on what it received")),
    ("escaped slashes", ("`%2F` is sent on as it is, and is no slash for paths, expressions and rewrites; with `..` in "
     "the same path the answer is 403; where the paths of a host have different protection it is a redirect (307) "
     "to the path with slashes")),
    ("Host", "a dot at its end is removed"),
    ("redirects", "Location keeps a slash at the end of the path and the port in Host, and has no other port"),
    ("origins", ("where origins are listed, preflights are answered by 200, and other answers have no "
     "Access-Control-Allow-Methods, -Headers and -Max-Age, which browsers read in preflights only")),
    ("own answers", "statuses are the same, pages are short texts or empty"),
)  # fmt: skip
"""Rows of the table of what no annotation is about."""


def page() -> str:
    """The whole page."""
    beside = "".join(f"| {subject} | {text} |\n" for subject, text in BESIDE)
    return "\n".join([INTRODUCTION + beside, *sections(TABLE)])


def sections(table: Mapping[str, Annotation]) -> Iterator[str]:
    """Yield how many rows are honoured, and a table for each area."""
    counts = {one: sum(row.support is one for row in table.values()) for one in Support}
    yield f"{', '.join(f'{count} {name}' for name, count in counts.items())}.\n"
    for area in dict.fromkeys(row.area for row in table.values()):
        rows = "".join(_row(row) for row in table.values() if row.area == area)
        yield f"## {area}\n\n| name | support | |\n|---|---|---|\n{rows}"


def _row(row: Annotation) -> str:
    effect = "" if row.only is None else "no effect, and an event where it sets another behaviour: "
    return f"| `{row.name}` | {row.support} | {effect}{row.note.replace('|', '&#124;')} |\n"


if __name__ == "__main__":
    sys.exit(write_or_check(TARGET, page))
