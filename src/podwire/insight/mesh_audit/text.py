"""The report to read, and as JSON. Pure."""

from __future__ import annotations

import msgspec

from podwire.insight.mesh_audit.report import Lack, Report


def text(report: Report) -> str:
    """Return the report to read: by what is missing."""
    shown = []
    for lack in Lack:
        if found := [one for one in report.findings if one.without is lack]:
            shown.append(f"without {lack}: {len(found)}")
            shown += [f"  {one.object}\n    {one.why}" for one in found]
    shown.append(f"{report.pods} pods, {report.enrolled} of them enrolled; {len(report.findings)} findings")
    return "\n".join(shown) + "\n"


def json(report: Report) -> str:
    """Return the report as JSON."""
    return msgspec.json.format(msgspec.json.encode(report)).decode() + "\n"
