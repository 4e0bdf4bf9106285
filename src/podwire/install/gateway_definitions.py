"""The CustomResourceDefinitions of the Gateway API: applied where a cluster has none, or podwire's own.

They belong to the whole cluster: those that another program installed stay as they are, in any version, and no others
are added to them, as the kinds of one cluster are of one release. They are never deleted, as the objects of their
kinds would go with them. Source: gateway-api.sigs.k8s.io "CRD Management Guide".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from podwire.install.cluster_objects import FIELD_MANAGER, InstallError, Report
from podwire.install.condition import until
from podwire.install.manifests.manifest import MANAGER_LABEL, NAME, Manifest
from podwire.kube.client import ApiError, Client
from podwire.kube.gateway_api import GROUPS
from podwire.kube.kinds import Kind
from podwire.kube.meta import Condition, NamespacedName, Object, Struct

NONE = "none"
CHANNELS = ("standard", "experimental")
CHOICES = (NONE, *CHANNELS)
VERSION = "gateway.networking.k8s.io/bundle-version"
CHANNEL = "gateway.networking.k8s.io/channel"
ESTABLISHED_SECONDS = 60.0
BESIDE_THE_CHART = (
    "the chart has no definitions of the Gateway API, as 'helm uninstall' would delete all Gateways with them: apply "
    "those of a release of the Gateway API"
)


class _Status(Struct, frozen=True):
    conditions: tuple[Condition, ...] = ()


class Definition(Object, frozen=True):
    """A definition as a cluster has it, without its schemas."""

    status: _Status = _Status()

    @property
    def release(self) -> str:
        """The release and channel that it is of."""
        annotations = self.metadata.annotations
        return " ".join(filter(None, (annotations.get(VERSION, "no release"), annotations.get(CHANNEL, ""))))

    @property
    def is_established(self) -> bool:
        """Whether its kind is served."""
        return any(one.type == "Established" and one.status == "True" for one in self.status.conditions)


DEFINITIONS = Kind(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", Definition, namespaced=False
)


class Plan(msgspec.Struct, frozen=True):
    """What is applied, and in words what is respected."""

    applied: tuple[dict[str, Any], ...] = ()
    note: str = ""

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """What is applied, as manifests."""
        return tuple(Manifest(DEFINITIONS, body) for body in self.applied)

    def changes(self, existing: Iterable[Definition]) -> Iterator[str]:
        """Return one line for each definition that is created, or gets another release."""
        known = {one.metadata.name: one.release for one in existing}
        for one in self.manifests:
            before, release = known.get(one.key.name), _release(one.body)
            if before is None:
                yield f"create {one}"
            elif before != release:
                yield f"change {one}: {before} -> {release}"


def published(channel: str) -> list[dict[str, Any]]:
    """The definitions of a channel, labelled as podwire's."""
    from podwire.apiserver.definitions import bundle

    return [labelled(one) for one in bundle.definitions(channel)]


def plan_of(channel: str, existing: Iterable[Definition]) -> Plan:
    """What to apply for a channel; nothing for none."""
    return Plan() if channel == NONE else plan(published(channel), existing)


def plan(desired: Sequence[dict[str, Any]], existing: Iterable[Definition]) -> Plan:
    """What to apply beside the definitions that exist."""
    known = [one for one in existing if one.metadata.name.partition(".")[2] in GROUPS]
    ours = _release(desired[0])
    foreign = [one for one in known if one.metadata.labels.get(MANAGER_LABEL) != NAME]
    newer = [one for one in known if _number(one.metadata.annotations) > _number(desired[0]["metadata"]["annotations"])]
    if not foreign and not newer:
        return Plan(tuple(desired))
    kept = foreign or newer
    releases = ", ".join(sorted({one.release for one in kept}))
    names = {one.metadata.name for one in known}
    missing = [one["metadata"]["name"].partition(".")[0] for one in desired if one["metadata"]["name"] not in names]
    lacking = f"; {', '.join(missing)} are not there, and not served" if missing else ""
    same = "" if {releases} == {ours} else f". podwire is made for {ours}"
    return Plan(note=f"the Gateway API is installed and stays as it is: {releases}{same}{lacking}")


async def read(client: Client) -> list[Definition]:
    """The definitions of a cluster. Raises ApiError."""
    return (await client.list(DEFINITIONS)).items


async def bring(client: Client, channel: str, report: Report) -> None:
    """Apply the definitions of this channel, and wait until their kinds are served. Raises InstallError, ApiError."""
    if channel == NONE:
        return
    found = plan_of(channel, await read(client))
    if found.note:
        report(found.note)
    if found.applied:
        await apply(client, found.applied, "the Gateway API")
        report(f"{len(found.applied)} kinds of the Gateway API are served: {_release(found.applied[0])}")


async def apply(client: Client, bodies: Sequence[dict[str, Any]], of: str) -> None:
    """Apply definitions, and wait until their kinds are served. `of`: what they belong to. Raises InstallError."""
    for body in bodies:
        key = NamespacedName("", body["metadata"]["name"])
        try:
            await client.apply(DEFINITIONS, key, body, FIELD_MANAGER)
        except ApiError as error:
            raise InstallError(f"customresourcedefinition {key}: {error}") from error
    names = {body["metadata"]["name"] for body in bodies}

    async def established() -> bool:
        return names <= {one.metadata.name for one in await read(client) if one.is_established}

    if not await until(established, ESTABLISHED_SECONDS):
        raise InstallError(f"the kinds of {of} are not served: see 'kubectl get crd -o yaml'")


def labelled(body: dict[str, Any]) -> dict[str, Any]:
    """A definition as an installation applies it."""
    metadata = body["metadata"]
    labels = {**(metadata.get("labels") or {}), MANAGER_LABEL: NAME}
    kept = {name: value for name, value in body.items() if name != "status"}
    return {**kept, "metadata": {**metadata, "labels": labels}}


def _release(body: Mapping[str, Any]) -> str:
    annotations = body["metadata"]["annotations"]
    return f"{annotations[VERSION]} {annotations[CHANNEL]}"


def _number(annotations: Mapping[str, str]) -> tuple[int, ...]:
    """The release as numbers that compare: v1.6.3, and 0 for what is none."""
    words = annotations.get(VERSION, "").removeprefix("v").partition("-")[0].split(".")
    return tuple(int(word) for word in words) if all(map(str.isdecimal, words)) else (0,)
