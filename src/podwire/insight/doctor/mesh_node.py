"""Read what the mesh's program on this node reports, on its loopback address."""

from __future__ import annotations

import http.client
import re

from podwire.insight.doctor.node_facts import MeshNodeFact
from podwire.mesh.model.node_pod import NODE_PROBE_PORT

SECONDS = 5.0
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_KIND = re.compile(r'type="([^"]*)"')
_CERTIFICATES = "podwire_mesh_certificates"


def read(port: int = NODE_PROBE_PORT) -> MeshNodeFact | None:
    """Return it; None where nothing listens, or another program. Raises OSError where it does not answer in time."""
    try:
        status, ready = _get(port, "/readyz")
        _, page = _get(port, "/metrics")
    except ConnectionRefusedError:
        return None
    except http.client.HTTPException:
        return None
    return parsed("" if status == http.client.OK else ready, page)


def parsed(problem: str, page: str) -> MeshNodeFact | None:
    """Return the facts of a page of metrics; None where it is another program's."""
    samples = [(name, labels, float(value)) for name, labels, value in _SAMPLE.findall(page)]
    values = {name: value for name, labels, value in samples if not labels}
    if _CERTIFICATES not in values:
        return None
    refusals = {
        found[1]: int(value)
        for name, labels, value in samples
        if name == "podwire_xds_refusals_total" and value and (found := _KIND.search(labels))
    }
    return MeshNodeFact(
        "; ".join(problem.split("\n")).strip("; "),
        any(name == "podwire_xds_connected_envoys" and value > 0 for name, _, value in samples),
        refusals,
        int(values.get(f"{_CERTIFICATES}_lacking", 0)),
        int(values.get(f"{_CERTIFICATES}_late", 0)),
        bool(values.get("podwire_mesh_options_problem", 0)),
    )


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    finally:
        connection.close()
