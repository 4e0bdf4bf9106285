"""An installation from its settings to agents that are ready: first, again, changed, or an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from podwire.install import (
    changes,
    cluster_objects,
    gateway_cleanup,
    gateway_definitions,
    kube_proxy,
    mesh_cleanup,
    own_definitions,
    readiness,
    revisions,
)
from podwire.install.chosen_settings import pool_ranges, with_namespace_pools
from podwire.install.cluster_objects import InstallError, Report
from podwire.install.manifests import dns_deployment, gateway_deployment, mesh_deployment
from podwire.install.manifests.manifest import MANAGER_LABEL, Manifest
from podwire.install.revisions import Revision, Revisions, of_settings
from podwire.install.settings import Settings, SettingsError, default_image, own_version
from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import DAEMON_SETS, DEPLOYMENTS
from podwire.pods.mode import Mode

NO_OVERLAY = Mode.NONE.value
IN_PODS = frozenset({dns_deployment.NAME, gateway_deployment.NAME, mesh_deployment.NAME})
"""Deployments whose pods have a network of their own."""


async def bring(client: Client, desired: Revision, known: Revisions, report: Report, patience: float) -> None:
    """Change a cluster from its newest revision to this one, and wait until all is ready. Raises InstallError."""
    await _refuse_of_helm(client, desired.manifests)
    now = revisions.newest(known)
    if now is not None and now.settings.mesh and not desired.settings.mesh:
        await mesh_cleanup.refuse_while_enrolled(client)
    # Recorded first, so that an upgrade can go back from it, however far this gets.
    await cluster_objects.record(client, revisions.added(known, desired))
    if desired.settings.replace_kube_proxy:
        await kube_proxy.end(client, report)
    await own_definitions.bring(client)
    await gateway_definitions.bring(client, desired.settings.gateway_api, report)
    later = [one for one in desired.manifests if one.key.name in IN_PODS and one.kind == DEPLOYMENTS]
    await cluster_objects.apply(client, (one for one in desired.manifests if one not in later), report)
    if now is not None:
        if now.settings.has_gateway and not desired.settings.has_gateway:
            await gateway_cleanup.remove(client, report)
        if now.settings.mesh and not desired.settings.mesh:
            await mesh_cleanup.remove(client, report)
        await cluster_objects.delete(client, changes.removed(now.manifests, desired.manifests), report)
    await readiness.agents(client, report, patience)
    # Scheduled when all nodes are Ready, these pods are on different ones.
    await cluster_objects.apply(client, later, report)
    pods = [one.key for one in desired.manifests if one.kind == DEPLOYMENTS]
    await readiness.deployments(client, pods, report, patience)


async def _refuse_of_helm(client: Client, objects: Sequence[Manifest]) -> None:
    for one in objects:
        if one.kind != DAEMON_SETS:
            continue
        try:
            found = await client.get(DAEMON_SETS, one.key)
        except ApiError as error:
            if error.code != 404:
                raise
            continue
        if found.metadata.labels.get(MANAGER_LABEL) == "Helm":
            raise InstallError(f"{one} belongs to a release of helm: change it with 'helm upgrade'")


def plan(known: Revisions, desired: Revision) -> list[str]:
    """What would change, a line each."""
    now = revisions.newest(known)
    return list(changes.changes(now.manifests if now is not None else (), desired.manifests))


def steps(known: Revisions, desired: Revision) -> tuple[Revision, ...]:
    """The installations on the way to this one, itself the last.

    Another way between nodes takes three, so that no packet is lost: all nodes receive both, then send the new way,
    then close the old one. Not to an installation of another release, whose agents may have other flags.
    """
    now = revisions.newest(known)
    if now is None or now.settings.version != desired.settings.version:
        return (desired,)
    old, new = now.settings.overlay, desired.settings.overlay
    if old == new or NO_OVERLAY in {old, new} or desired.settings.overlay_accept:
        return (desired,)
    both = msgspec.structs.replace(desired.settings, overlay=old, overlay_accept=new)
    sending = msgspec.structs.replace(desired.settings, overlay_accept=old)
    return (*(of_settings(one) for one in (both, sending) if one != now.settings), desired)


async def bring_in_steps(client: Client, desired: Revision, known: Revisions, report: Report, patience: float) -> None:
    """As `bring`, by way of `steps`. Raises InstallError."""
    way = steps(known, desired)
    for number, one in enumerate(way, 1):
        if len(way) > 1:
            accepts = f", received too: {one.settings.overlay_accept}" if one.settings.overlay_accept else ""
            report(f"step {number} of {len(way)}: packets between nodes go {one.settings.overlay}{accepts}")
        await bring(client, one, known, report, patience)
        known = revisions.added(known, one)


def upgraded(known: Revisions, given: dict[str, Any]) -> Revision:
    """The newest installation as this release makes it, with these settings changed. Raises SettingsError.

    The ranges of new pools are added to those of all pods, where others are not given.
    """
    now = revisions.newest(known)
    if now is None:
        raise SettingsError(
            f"there is no ConfigMap {revisions.KEY}, so 'podwire install' was not run here: run it once with "
            "the flags of this cluster; it takes over objects that 'kubectl apply' made"
        )
    version = own_version()
    image = given.get("image") or _image(now.settings, version, now.settings.image, "--image")
    changed = {**given, "version": version, "image": image}
    if "overlay" in given:
        changed.setdefault("overlay_accept", "")
    if "pod_pools" in given:
        pools = pool_ranges(changed["pod_pools"])
        changed.setdefault("pod_cidrs", tuple(dict.fromkeys((*now.settings.pod_cidrs, *pools))))
    if "namespace_pools" in given:
        cidrs = changed.get("pod_cidrs", now.settings.pod_cidrs)
        changed["pod_cidrs"] = with_namespace_pools(cidrs, changed["namespace_pools"])
    if now.settings.gateway_image and "gateway_image" not in given:
        changed["gateway_image"] = _image(now.settings, version, now.settings.gateway_image, "--gateway-image")
    settings = msgspec.structs.replace(now.settings, **changed)
    return of_settings(settings)


def _image(old: Settings, version: str, image: str, flag: str) -> str:
    """The image of this release. Raises SettingsError where the old one's name does not have its release."""
    if old.version == version:
        return image
    name, _, tag = image.rpartition(":")
    if image == default_image(old.version) or (name and tag == old.version):
        return f"{name}:{version}"
    raise SettingsError(
        f"{flag}: the image {image} does not have the release {old.version} as its tag; give the new one"
    )
