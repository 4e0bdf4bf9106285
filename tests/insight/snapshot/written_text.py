"""A snapshot of YAML in a test."""

from __future__ import annotations

from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.sources.manifests import objects
from podwire.insight.sources.text import Text


def snapshot(*texts: str) -> Snapshot:
    """Return the snapshot of these texts, which are named a.yaml, b.yaml, ..."""
    names = (f"{letter}.yaml" for letter in "abcdefgh")
    return snapshot_of([one for name, text in zip(names, texts, strict=False) for one in objects(Text(name, text))])
