"""EndpointSlices. Source: k8s.io/kubernetes `pkg/apis/discovery/validation`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import field_errors, formats
from podwire.apiserver.validation.services import PROTOCOLS, family_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
MOST_HINTS = 8
LARGEST = {"endpoints": 1000, "ports": 20000, "addresses": 100}


def validate(slice_: Field, old: Field | None) -> Iterator[Cause]:
    """Check an EndpointSlice."""
    yield from slice_["addressType"].one_of(ADDRESS_TYPES)
    if old is not None and slice_["addressType"].value != old["addressType"].value:
        yield slice_["addressType"].invalid(formats.IMMUTABLE)
    for part in ("endpoints", "ports"):
        if len(slice_[part]) > LARGEST[part]:
            yield field_errors.too_many(part, len(slice_[part]), LARGEST[part])
            return
    checked = {} if old is None or old["addressType"].value != slice_["addressType"].value else _by_addresses(old)
    for endpoint in slice_["endpoints"]:
        if checked.get(tuple(endpoint["addresses"].value or ())) != endpoint.value:
            yield from _endpoint(endpoint, slice_["addressType"].text)
    yield from _ports(slice_["ports"])


def _by_addresses(slice_: Field) -> dict[tuple[str, ...], Any]:
    """The endpoints that were checked when they were stored: most updates change one of many."""
    return {tuple(endpoint["addresses"].value or ()): endpoint.value for endpoint in slice_["endpoints"]}


def _endpoint(endpoint: Field, address_type: str) -> Iterator[Cause]:
    addresses = endpoint["addresses"]
    if not addresses:
        yield addresses.required("must contain at least 1 address")
    elif len(addresses) > LARGEST["addresses"]:
        yield field_errors.too_many(addresses.path, len(addresses), LARGEST["addresses"])
    for address in addresses:
        wrong = _address(address.text, address_type)
        yield from address.invalid_each(wrong)
        if not wrong and address_type != "FQDN" and family_of(address.text) != address_type:
            yield field_errors.invalid(addresses.path, address.text, f"must be an {address_type} address")
    if endpoint["hostname"].given:
        yield from endpoint["hostname"].invalid_each(formats.dns_label(endpoint["hostname"].text))
    yield from _hints(endpoint["hints"])
    if endpoint["nodeName"].given:
        yield from endpoint["nodeName"].invalid_each(formats.dns_subdomain(endpoint["nodeName"].text))


def _hints(hints: Field) -> Iterator[Cause]:
    for part, check in (("forZones", formats.label_value), ("forNodes", formats.dns_subdomain)):
        if len(hints[part]) > MOST_HINTS:
            yield field_errors.too_many(hints[part].path, len(hints[part]), MOST_HINTS)
            return
        seen: set[str] = set()
        for hint in hints[part]:
            name = hint["name"]
            if name.text in seen:
                yield name.duplicate()
            seen.add(name.text)
            yield from name.invalid_each(check(name.text))


def _address(address: str, address_type: str) -> list[str]:
    if address_type == "FQDN":
        return _domain(address.removesuffix("."))
    return formats.address(address) or formats.special_address(address)


def _domain(name: str) -> list[str]:
    wrong = formats.dns_subdomain(name)
    if not wrong and "." not in name:
        wrong = ["should be a domain with at least two segments separated by dots"]
    return wrong


def _ports(ports: Field) -> Iterator[Cause]:
    names: set[str] = set()
    for port in ports:
        name = port["name"]
        if name:
            yield from name.invalid_each(formats.dns_label(name.text))
        if name.text in names:
            yield field_errors.duplicate(name.path, name.text)
        names.add(name.text)
        yield from port["protocol"].one_of(PROTOCOLS)
        if port["port"].given:
            yield from port["port"].invalid_each(formats.port_number(port["port"].number))
        if port["appProtocol"].given:
            yield from port["appProtocol"].invalid_each(formats.label_key(port["appProtocol"].text))
