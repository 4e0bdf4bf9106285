"""Write docs/reference/ingress-options.md from the table of options: `python -m tools.ingress_options`."""

from __future__ import annotations

import sys
from pathlib import Path

from podwire.edge.ingress.options.table import PROTECTS, TABLE
from tools.generated_page import write_or_check
from tools.ingress_annotations import sections

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "ingress-options.md"
INTRODUCTION = """# Options of all Ingresses

The ConfigMap `podwire-system/ingress` has the keys of ingress-nginx's own ConfigMap (v1.15.1). It is read live: a
change is served as a change of an Ingress is. Without it everything has its default.

    kubectl -n podwire-system create configmap ingress --from-literal=use-gzip=true

A key that is not known, not valid or not honoured is an event on the ConfigMap, and has its default. Where it protects
({protects}) all Ingresses answer 503 until it is right.

A `global-auth-url` is for each Ingress that has no `auth-url`, unless it has `enable-global-auth: "false"`.
`add-headers` and `proxy-set-headers` name a ConfigMap as `namespace/name`.

Made from the table of options by `python -m tools.ingress_options`; a test keeps it true.
"""


def page() -> str:
    """The whole page."""
    protects = ", ".join(f"`{one}`" for one in sorted(PROTECTS & TABLE.keys()))
    return "\n".join([INTRODUCTION.replace("{protects}", protects), *sections(TABLE)])


if __name__ == "__main__":
    sys.exit(write_or_check(TARGET, page))
