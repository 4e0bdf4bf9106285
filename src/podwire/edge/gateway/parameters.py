"""Parameters of a proxy: the `data` of the ConfigMap that `parametersRef` of a Gateway or GatewayClass names. Pure.

Each key is one setting. A key that is not known, or a value that does not fit, is an error that names both.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from podwire.edge.model.listeners import LogFormat, ProxyOptions
from podwire.edge.model.tracing import Collector, CollectorKind, Tracing
from podwire.kube import quantities
from podwire.kube.backend_choice import TrafficPolicy

MOST_REPLICAS = 100
MOST_HOPS = 16
MOST_CONNECTIONS = 10_000_000
LARGEST_REQUEST = 128 * 1024 * 1024
"""Of a request that is buffered as a whole."""
LEAST_MEMORY = 64 * 1024 * 1024

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_ADDRESS = re.compile(r"(\w+)://(\[[0-9a-f:.]+\]|[^\[\]:/]+):([0-9]{1,5})")


class Parameters(msgspec.Struct, frozen=True):
    """A proxy as it is desired; a field without value is as the controller has it.

    Attributes:
        options: what holds for its listeners.
        replicas: Envoys.
        cpu, memory: requested of each, as quantities.
        memory_limit: a quantity; at nine tenths of it an Envoy takes no further requests.
        connections: of clients to one Envoy at the same time; further ones are closed.
        external_traffic_policy: of the Services of its Gateways.

    """

    options: ProxyOptions = ProxyOptions()
    replicas: int | None = None
    cpu: str = ""
    memory: str = ""
    memory_limit: str = ""
    connections: int | None = None
    external_traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER


class ParameterError(ValueError):
    """A setting that is not known or has a value that does not fit; the message names it, and what fits."""


def parse(data: Mapping[str, str]) -> Parameters:
    """Return the parameters. Raises ParameterError."""
    fields: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for key, text in sorted(data.items()):
        setting = _SETTINGS.get(key)
        if setting is None:
            raise ParameterError(f"data[{key}] is not known: use {', '.join(sorted(_SETTINGS))}")
        read, field = setting
        try:
            (fields if field in Parameters.__struct_fields__ else options)[field] = read(text.strip())
        except ValueError as error:
            raise ParameterError(f"data[{key}]: {text!r} {error}") from None
    _check_memory(fields)
    return Parameters(options=ProxyOptions(**_with_tracing(options)), **fields)


def _with_tracing(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with the collector and the share of requests as one."""
    collector, percent = options.pop("collector", None), options.pop("percent", None)
    if collector is None and percent is not None:
        raise ParameterError("data[tracing-percent] has no effect: set data[tracing-collector] too")
    if collector is not None:
        options["tracing"] = Tracing(collector) if percent is None else Tracing(collector, percent)
    return options


def _check_memory(fields: Mapping[str, Any]) -> None:
    least, limit = (quantities.number(fields.get(one, "0")) for one in ("memory", "memory_limit"))
    if least and limit and least > limit:
        raise ParameterError(f"data[memory] {fields['memory']} is more than data[memory-limit]: change one of them")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not least <= int(text[:20]) <= most:
            raise ValueError(f"is no whole number from {least} to {most}")
        return int(text)

    return read


def _percent(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 100:
        raise ValueError("is no number from 0 to 100")
    return found


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return text == "true"


def _log_format(text: str) -> LogFormat:
    try:
        return LogFormat(text)
    except ValueError:
        raise ValueError(f"is none of {', '.join(LogFormat)}") from None


def _traffic_policy(text: str) -> TrafficPolicy:
    try:
        return TrafficPolicy(text)
    except ValueError:
        raise ValueError(f"is none of {', '.join(TrafficPolicy)}") from None


def _quantity(text: str) -> Decimal:
    found = quantities.parse(text)
    if found is None or found <= 0:
        raise ValueError("is no quantity above 0, such as 500m or 256Mi")
    return found


def _cpu(text: str) -> str:
    _quantity(text)
    return text


def _memory(text: str) -> str:
    if _quantity(text) < LEAST_MEMORY:
        raise ValueError("is less than 64Mi, which Envoy needs")
    return text


def _size(text: str) -> int:
    found = _quantity(text)
    if found != int(found) or found > LARGEST_REQUEST:
        raise ValueError(f"is no whole number of bytes up to {LARGEST_REQUEST}, such as 1Mi")
    return int(found)


def _collector(text: str) -> Collector:
    found = _ADDRESS.fullmatch(text)
    if found is None or found[1] not in tuple(CollectorKind) or not 0 < int(found[3]) < 65536:
        raise ValueError("is no collector: write otlp://HOST:PORT (gRPC) or zipkin://HOST:PORT")
    host = found[2].strip("[]")
    _check_host(host)
    return Collector(CollectorKind(found[1]), host, int(found[3]))


def _check_host(host: str) -> None:
    """Raises ValueError for what is no host, and for addresses that would lead to the Envoy's own pod or its node."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if not _NAME.fullmatch(host) or host.rpartition(".")[2].isdecimal():
            raise ValueError("has no host: use an IP address or a DNS name, such as collector.tracing.svc") from None
        if host == "localhost" or host.endswith(".localhost"):
            raise ValueError("leads to the Envoy itself: use the name of a Service") from None
        return
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified or mapped.is_multicast:
        raise ValueError("has an address that is not one of a collector: use one that other machines reach")


_SETTINGS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "access-log": (_log_format, "access_log"),
    "connections": (_whole(1, MOST_CONNECTIONS), "connections"),
    "cpu": (_cpu, "cpu"),
    "external-traffic-policy": (_traffic_policy, "external_traffic_policy"),
    "forward-client-certificate": (_boolean, "forwards_client_certificate"),
    "http3": (_boolean, "http3"),
    "max-request-size": (_size, "max_request_bytes"),
    "memory": (_memory, "memory"),
    "memory-limit": (_memory, "memory_limit"),
    "proxy-protocol": (_boolean, "proxy_protocol"),
    "replicas": (_whole(1, MOST_REPLICAS), "replicas"),
    "tracing-collector": (_collector, "collector"),
    "tracing-percent": (_percent, "percent"),
    "trusted-hops": (_whole(0, MOST_HOPS), "trusted_hops"),
}
"""By key: how its text is read, and the field that it becomes."""
