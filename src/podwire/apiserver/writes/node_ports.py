"""Allocate node ports of a Service: one number serves all protocols, as one range serves all Services.

Source: k8s.io/kubernetes `pkg/registry/core/service/storage/alloc.go` initNodePorts, updateNodePorts,
updateHealthCheckNodePort.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.base.field_path import Field
from podwire.apiserver.validation.services import needs_health_check
from podwire.apiserver.writes.number_pool import NotAllocatedError, PoolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from podwire.apiserver.writes.number_pool import Pool

    Take = Callable[[int], int]
    """Takes one number, any free one for 0; raises PoolError."""

Object = dict[str, Any]

PORT_TYPES = frozenset({"NodePort", "LoadBalancer"})
"""Types of Services that may have node ports."""


def allocate(spec: Object, old: Object | None, pool: Pool, taken: set[int]) -> None:
    """Fill a spec's node ports and its health check port in place; raises NotAllocatedError.

    What is taken from the pool is added to `taken`, also before an error.
    """

    def take(number: int) -> int:
        given = pool.take(number) if number else pool.take_any()
        taken.add(given)
        return given

    if spec["type"] in PORT_TYPES:
        if old is None:
            _create(spec, take, pool)
        else:
            _update(spec, old, take, pool)
    if needs_health_check(Field("spec", spec)) and (old is None or not needs_health_check(Field("spec", old))):
        _health_check(spec, take, pool)


def numbers(spec: Object) -> set[int]:
    """The node ports of a spec's ports."""
    return {port["nodePort"] for port in spec.get("ports", ()) if port.get("nodePort")}


def held(spec: Object) -> set[int]:
    """All numbers that a Service of this spec holds, that of its health check among them."""
    if spec["type"] not in PORT_TYPES:
        return set()
    return numbers(spec) | ({spec["healthCheckNodePort"]} if spec.get("healthCheckNodePort") else set())


def _create(spec: Object, take: Take, pool: Pool) -> None:
    """Fill the ports of a new Service: ports of one number and several protocols share their node port."""
    shared: dict[int, int] = {}
    for port in _in_order(spec):
        number, service_port = port["nodePort"].number, port["port"].number
        if not number and service_port in shared:
            port.value["nodePort"] = shared[service_port]
        elif number != shared.get(service_port, 0) or not number:
            shared.setdefault(service_port, _fill(port, take, pool))


def _update(spec: Object, old: Object, take: Take, pool: Pool) -> None:
    """Fill the ports of a changed Service; numbers that it has already stay its own.

    An ExternalName Service may name numbers too: it does not hold them.
    """
    own = numbers(old) if old["type"] in PORT_TYPES else set()
    for port in _in_order(spec):
        if port["nodePort"].number not in own:
            own.add(_fill(port, take, pool))


def _in_order(spec: Object) -> list[Field]:
    """The ports that need a number, requested numbers first: none of them is then chosen for another port."""
    needed = spec["type"] == "NodePort" or spec.get("allocateLoadBalancerNodePorts", True)
    ports = [port for port in Field("spec", spec)["ports"] if needed or port["nodePort"]]
    return sorted(ports, key=lambda port: not port["nodePort"])


def _fill(port: Field, take: Take, pool: Pool) -> int:
    requested = port["nodePort"]
    try:
        number = port.value["nodePort"] = take(requested.number)
    except PoolError as error:
        if not requested:
            raise NotAllocatedError(internal=f"failed to allocate a nodePort: {error}") from error
        raise NotAllocatedError(requested.invalid(_why(error, pool))) from error
    return number


def _health_check(spec: Object, take: Take, pool: Pool) -> None:
    requested = spec.get("healthCheckNodePort", 0)
    try:
        spec["healthCheckNodePort"] = take(requested)
    except PoolError as error:
        what = f"requested HealthCheck NodePort {requested}" if requested else "a HealthCheck NodePort 0"
        raise NotAllocatedError(internal=f"failed to allocate {what}: {_why(error, pool)}") from error


def _why(error: PoolError, pool: Pool) -> str:
    if not error.outside:
        return str(error)
    known = pool.numbers
    return f"provided port is not in the valid range. The range of valid ports is {known[0]}-{known[-1]}"
