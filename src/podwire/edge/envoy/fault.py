"""Faults on purpose: off in a listener, on in the virtual hosts that have one (Envoy, "Fault Injection")."""

from __future__ import annotations

from typing import Any

from envoy.extensions.filters.common.fault.v3 import fault_pb2 as common_pb2
from envoy.extensions.filters.http.fault.v3 import fault_pb2
from envoy.type.v3 import percent_pb2

from podwire.edge.envoy.message import duration
from podwire.edge.model.resilience import Fault

FILTER = "envoy.filters.http.fault"
_MILLION = 1_000_000


def listener_filter() -> Any:
    """Return the filter's configuration in a listener: there are no faults."""
    return fault_pb2.HTTPFault()


def per_host(fault: Fault) -> Any:
    """Return the filter's configuration for a virtual host."""
    made = fault_pb2.HTTPFault(disable_downstream_cluster_stats=True)
    if fault.delay is not None:
        share = _share(fault.delay.percent)
        made.delay.CopyFrom(common_pb2.FaultDelay(fixed_delay=duration(fault.delay.seconds), percentage=share))
    if fault.abort is not None:
        made.abort.percentage.CopyFrom(_share(fault.abort.percent))
        if fault.abort.grpc_status:
            made.abort.grpc_status = fault.abort.grpc_status
        else:
            made.abort.http_status = fault.abort.status
    return made


def _share(percent: float) -> Any:
    number = round(percent * _MILLION / 100)
    return percent_pb2.FractionalPercent(numerator=number, denominator=percent_pb2.FractionalPercent.MILLION)
