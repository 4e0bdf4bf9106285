"""Complete ipFamilies and ipFamilyPolicy of a Service.

Source: k8s.io/kubernetes `pkg/registry/core/service/storage/alloc.go` initIPFamilyFields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import field_errors
from podwire.apiserver.base.field_path import Field
from podwire.apiserver.validation import services
from podwire.apiserver.writes.number_pool import NotAllocatedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from podwire.apiserver.base.field_errors import Cause

Object = dict[str, Any]

_POLICY = "spec.ipFamilyPolicy"
_PREFER = "PreferDualStack"
_OTHER = {"IPv4": "IPv6", "IPv6": "IPv4"}


def complete(spec: Object, old: Object | None, served: tuple[str, ...]) -> None:
    """Fill both fields in place; `served` are the cluster's families, the primary one first. Raises NotAllocatedError.

    A Service that prefers two stacks and does not change keeps what it has, also after the cluster's families changed.
    """
    if spec["type"] == "ExternalName" or (old is not None and _keeps_preference(spec, old)):
        return
    if "ipFamilyPolicy" not in spec:
        spec["ipFamilyPolicy"] = _default_policy(spec, old)
    before = None if old is None else Field("spec", old)
    _refuse(services.addresses(Field("spec", spec), before))
    _refuse([*(() if old is None else _reduce(spec, old)), *_check_single(spec), *_infer(spec, served)])
    if not _headless_without_selector(spec):
        _refuse(_check_served(spec, served))
    _fill(spec, served)


def _refuse(causes: Iterable[Cause]) -> None:
    found = tuple(causes)
    if found:
        raise NotAllocatedError(*found)


def _keeps_preference(spec: Object, old: Object) -> bool:
    """Whether a Service preferred two stacks before and does now, with the same addresses and families."""
    policies = {spec.get("ipFamilyPolicy"), old.get("ipFamilyPolicy", _PREFER)}
    same = all(spec.get(part) == old.get(part) for part in ("type", "clusterIPs", "ipFamilies"))
    return policies == {_PREFER} and same


def _default_policy(spec: Object, old: Object | None) -> str:
    if old is not None and old.get("ipFamilyPolicy"):
        return str(old["ipFamilyPolicy"])
    return "RequireDualStack" if _headless_without_selector(spec) else "SingleStack"


def _headless_without_selector(spec: Object) -> bool:
    return spec.get("clusterIP") == "None" and not spec.get("selector")


def _reduce(spec: Object, old: Object) -> Iterator[Cause]:
    """Release the second address where the policy becomes SingleStack; without that, its loss is an error."""
    for part, noun in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        now, before = spec.get(part, []), old.get(part, [])
        if spec["ipFamilyPolicy"] == "SingleStack":
            if now == before and len(now) > 1:
                spec[part] = now[:1]
        elif 0 < len(now) < len(before):
            detail = f"must be 'SingleStack' to release the secondary {noun}"
            yield field_errors.invalid(_POLICY, spec["ipFamilyPolicy"], detail)


def _check_single(spec: Object) -> Iterator[Cause]:
    if spec["ipFamilyPolicy"] != "SingleStack":
        return
    for part, noun in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")):
        if len(spec.get(part, ())) == 2:
            detail = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {noun} are specified"
            yield field_errors.invalid(_POLICY, spec["ipFamilyPolicy"], detail)


def _infer(spec: Object, served: tuple[str, ...]) -> Iterator[Cause]:
    """Take the family of a requested address."""
    for position, address in enumerate(spec.get("clusterIPs", ())):
        if address == "None":
            return
        family = services.family_of(address)
        if position >= len(spec.get("ipFamilies", ())):
            if family in served:
                spec["ipFamilies"] = [*spec.get("ipFamilies", ()), family]
            else:
                detail = f"{family} is not configured on this cluster"
                yield field_errors.invalid(f"spec.clusterIPs[{position}]", spec["clusterIPs"], detail)


def _check_served(spec: Object, served: tuple[str, ...]) -> Iterator[Cause]:
    if spec["ipFamilyPolicy"] == "RequireDualStack" and len(served) < 2:
        yield field_errors.invalid(
            _POLICY, "RequireDualStack", "this cluster is not configured for dual-stack services"
        )
    for position, family in enumerate(spec.get("ipFamilies", ())):
        if family not in served:
            yield field_errors.invalid(f"spec.ipFamilies[{position}]", family, "not configured on this cluster")


def _fill(spec: Object, served: tuple[str, ...]) -> None:
    families = spec.get("ipFamilies") or [served[0]]
    two_stacks = len(served) == 2 or _headless_without_selector(spec)
    if spec["ipFamilyPolicy"] != "SingleStack" and len(families) == 1 and two_stacks:
        families = [*families, _OTHER[families[0]]]
    spec["ipFamilies"] = families
