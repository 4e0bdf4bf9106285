"""Objects to a cluster: applied by server-side apply, recorded as a revision, and deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from podwire.install import revisions
from podwire.install.manifests.manifest import POD_MONITORS, Manifest
from podwire.install.revisions import Revisions
from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import CONFIG_MAPS

FIELD_MANAGER = "podwire"
Report = Callable[[str], None]
"""Where progress goes, a line at a time."""


class InstallError(Exception):
    """An installation that cannot go on. The text has the object, the reason and the remedy."""


async def apply(client: Client, objects: Iterable[Manifest], report: Report) -> None:
    """Create or change each object, in order. Raises InstallError for one that is refused."""
    for one in objects:
        try:
            await client.apply(one.kind, one.key, one.body, FIELD_MANAGER)
        except ApiError as error:
            raise InstallError(f"{one}: {error}{_remedy(one, error)}") from error
        report(f"{one} applied")


def _remedy(one: Manifest, error: ApiError) -> str:
    if error.code == 403:
        return ": use a kubeconfig of an administrator, --kubeconfig"
    if error.code == 404 and one.kind == POD_MONITORS:
        return ": the Prometheus operator is not installed; install it, or give --no-pod-monitors"
    return ""


async def delete(client: Client, objects: Iterable[Manifest], report: Report) -> None:
    """Delete each object; no error if it does not exist. Raises InstallError."""
    for one in objects:
        try:
            await client.delete(one.kind, one.key)
        except ApiError as error:
            if error.code == 404:
                continue
            raise InstallError(f"{one}: {error}") from error
        report(f"{one} deleted")


async def read_revisions(client: Client) -> Revisions:
    """The installations until now; none where there is none. Raises SettingsError and ApiError."""
    try:
        found = await client.get(CONFIG_MAPS, revisions.KEY)
    except ApiError as error:
        if error.code == 404:
            return {}
        raise
    return revisions.read(found.data)


async def record(client: Client, found: Revisions) -> None:
    """Keep the revisions. Raises InstallError."""
    await apply(client, (revisions.config_map(found),), lambda _: None)
