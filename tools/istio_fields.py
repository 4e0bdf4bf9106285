"""Write docs/reference/istio.md from the table of Istio's fields: `python -m tools.istio_fields`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from podwire.mesh.istio.field import Field, Support
from podwire.mesh.istio.table import KINDS, TABLE
from tools.generated_page import write_or_check

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "istio.md"
INTRODUCTION = """# Istio's objects

`podwire migrate istio FILES` reads objects of Istio, reports each field with its line, and writes the objects of this
mesh and of the Gateway API that do the same:

    podwire migrate istio istio/
    podwire migrate istio istio/ -o objects > mesh.yaml

Exact: as Istio documents it. Differs: how is beside it. Refused: it is not converted, and why. Objects of
`istio-system` are for all namespaces, and become objects of `podwire-system`.

What cannot be expressed never opens anything: a rule that allows is left out, one that denies matches more, and a
policy whose action, target or form cannot be expressed becomes a closed one. Where access control is other than written
the exit status is 1, also without `--exit-code`. A route is left out whole where a rule or a match of it cannot be
expressed, or where the Gateway API would apply its rules in another order (the most specific one first;
Istio: the first one).

Give Services and DestinationRules in the same files: a subset becomes Service `HOST-SUBSET`, the Service of the host
with the subset's labels in its selector, and routes name it. A policy with `targetRefs` becomes one of the Service's
pods.
Kinds of `istio.io` that are not in this table are refused, each with what replaces it.

| kind | becomes |
|---|---|
| AuthorizationPolicy | [AuthorizationPolicy](mesh-authorization.md) of mesh.podwire.dev |
| RequestAuthentication | RequestAuthentication of mesh.podwire.dev |
| PeerAuthentication | AuthorizationPolicy that denies who has no identity |
| VirtualService | HTTPRoute whose parents are Services |
| DestinationRule | BackendPolicy of mesh.podwire.dev, and a Service for each subset |

Made from the table of fields by `python -m tools.istio_fields`; a test keeps it true.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *sections()])


def sections() -> Iterator[str]:
    """Yield how many fields are honoured, and a table for each kind."""
    counts = {one: sum(row.support is one for row in TABLE) for one in Support}
    yield f"{', '.join(f'{count} {name}' for name, count in counts.items())}.\n"
    for kind, group in KINDS.items():
        rows = "".join(_row(row) for row in TABLE if row.kind == kind)
        yield f"## {kind} ({group})\n\n| field | support | |\n|---|---|---|\n{rows}"


def _row(row: Field) -> str:
    return f"| `{row.path}` | {row.support} | {row.note.replace('|', '&#124;')} |\n"


if __name__ == "__main__":
    sys.exit(write_or_check(TARGET, page))
