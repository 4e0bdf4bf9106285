"""The installations of a cluster until now, newest last, kept in a ConfigMap: what to go back to, and what to remove.

An object is recorded as it was applied, so going back needs no earlier release of podwire. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from podwire.install.manifests.manifest import Manifest, manifest, of_body, selecting_labels
from podwire.install.manifests.objects import manifests
from podwire.install.settings import NAMESPACE, Settings, SettingsError
from podwire.kube.kinds import CONFIG_MAPS
from podwire.kube.meta import NamespacedName

KEY = NamespacedName(NAMESPACE, "podwire-revisions")
KEPT = 8


class Revision(msgspec.Struct, frozen=True):
    """One installation: its settings, and every object of it."""

    settings: Settings
    objects: tuple[dict[str, Any], ...]

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """Its objects in the order in which they are applied."""
        return tuple(map(of_body, self.objects))


def of_settings(settings: Settings) -> Revision:
    """The installation that this release makes of these settings."""
    return Revision(settings, tuple(one.body for one in manifests(settings)))


Revisions = Mapping[int, Revision]


def read(data: Mapping[str, str]) -> Revisions:
    """The revisions by number, oldest first. Raises SettingsError where they were changed by hand."""
    try:
        found = {int(name): msgspec.json.decode(text, type=Revision) for name, text in data.items()}
    except (ValueError, msgspec.DecodeError) as error:
        raise SettingsError(
            f"ConfigMap {KEY} cannot be read ({error}): delete it and run 'podwire install' with its flags again"
        ) from error
    return dict(sorted(found.items()))


def newest(revisions: Revisions) -> Revision | None:
    """The installation as it is now."""
    return list(revisions.values())[-1] if revisions else None


def added(revisions: Revisions, revision: Revision) -> Revisions:
    """The revisions with a new one, which is not added if it is the newest already."""
    if newest(revisions) == revision:
        return revisions
    number = max(revisions, default=0) + 1
    kept = list(revisions.items())[-(KEPT - 1) :]
    return {**dict(kept), number: revision}


def config_map(revisions: Revisions) -> Manifest:
    """The ConfigMap."""
    data = {str(number): msgspec.json.encode(one).decode() for number, one in revisions.items()}
    return manifest(CONFIG_MAPS, KEY.name, selecting_labels("revisions"), data=data)


def before(revisions: Revisions) -> int | None:
    """The number of the revision before the newest one."""
    numbers = list(revisions)
    return numbers[-2] if len(numbers) > 1 else None


def chosen(revisions: Revisions, number: int) -> Revision:
    """The revision of this number. Raises SettingsError."""
    if number not in revisions:
        known = ", ".join(map(str, revisions)) or "none"
        raise SettingsError(f"--to-revision {number}: there is no such revision; those that are kept are {known}")
    return revisions[number]
