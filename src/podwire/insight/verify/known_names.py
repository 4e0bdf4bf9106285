"""Whether the names of a file mean something in the manifests: before a world is started for them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.insight.snapshot import names
from podwire.insight.snapshot.ends import EndError
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.verify.expectations import Expectations
from podwire.insight.verify.plan import PlanError
from podwire.insight.verify.question import question

OWN_NAMESPACE = "kube-system/"
"""What a world has without manifests: its DNS servers."""


def check_names(desired: Expectations, snapshot: Snapshot) -> None:
    """Raise PlanError with each name that means nothing, by FILE:LINE."""
    wrong = dict.fromkeys(_unknown(desired, snapshot))
    if wrong:
        raise PlanError("\n".join(wrong))


def _unknown(desired: Expectations, snapshot: Snapshot) -> Iterator[str]:
    nodes = {f"node-{number}" for number in range(1, desired.nodes + 1)}
    for one in desired.entries:
        absent = {text for text in (one.source, one.destination) if text in nodes or text.startswith(OWN_NAMESPACE)}
        try:
            if not absent:
                question(one, snapshot)
            elif one.source not in absent:
                names.resolve(one.source, snapshot, is_client=True)
            elif one.destination not in absent and "://" not in one.destination:
                names.resolve(one.destination, snapshot, is_client=False)
        except EndError as error:
            yield f"{one.place}: {error}"
