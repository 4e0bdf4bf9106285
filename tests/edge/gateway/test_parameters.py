"""Settings of a proxy: each has an effect on the result, and each bad one is refused by name."""

from __future__ import annotations

import msgspec
import pytest

from podwire.edge.gateway.parameters import ParameterError, Parameters, parse
from podwire.edge.model.listeners import LogFormat, ProxyOptions
from podwire.edge.model.tracing import Collector, CollectorKind, Tracing
from podwire.kube.backend_choice import TrafficPolicy

OTLP = Collector(CollectorKind.OTLP, "collector.tracing.svc", 4317)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, Parameters()),
        ({"replicas": "3"}, Parameters(replicas=3)),
        ({"connections": " 5000\n"}, Parameters(connections=5000)),
        ({"external-traffic-policy": "Local"}, Parameters(external_traffic_policy=TrafficPolicy.LOCAL)),
        ({"cpu": "500m"}, Parameters(cpu="500m")),
        ({"memory": "128Mi", "memory-limit": "1Gi"}, Parameters(memory="128Mi", memory_limit="1Gi")),
    ],
)
def test_settings_of_the_envoys(data: dict[str, str], expected: Parameters) -> None:
    assert parse(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"access-log": "text"}, ProxyOptions(access_log=LogFormat.TEXT)),
        ({"access-log": "none"}, ProxyOptions(access_log=LogFormat.NONE)),
        ({"forward-client-certificate": "true"}, ProxyOptions(forwards_client_certificate=True)),
        ({"http3": "true"}, ProxyOptions(http3=True)),
        ({"max-request-size": "1Mi"}, ProxyOptions(max_request_bytes=1048576)),
        ({"proxy-protocol": "true"}, ProxyOptions(proxy_protocol=True)),
        ({"trusted-hops": "2"}, ProxyOptions(trusted_hops=2)),
        ({"tracing-collector": "otlp://collector.tracing.svc:4317"}, ProxyOptions(tracing=Tracing(OTLP))),
        (
            {"tracing-collector": "otlp://collector.tracing.svc:4317", "tracing-percent": "12.5"},
            ProxyOptions(tracing=Tracing(OTLP, 12.5)),
        ),
        (
            {"tracing-collector": "zipkin://[2001:db8::1]:9411"},
            ProxyOptions(tracing=Tracing(Collector(CollectorKind.ZIPKIN, "2001:db8::1", 9411))),
        ),
    ],
)
def test_settings_of_the_listeners(data: dict[str, str], expected: ProxyOptions) -> None:
    assert parse(data) == msgspec.structs.replace(Parameters(), options=expected)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("replica", "2"),
        ("external-traffic-policy", "local"),
        ("Replicas", "2"),
        ("replicas", "0"),
        ("replicas", "-1"),
        ("replicas", "two"),
        ("replicas", "1" * 5000),
        ("replicas", "²"),
        ("access-log", "JSON"),
        ("access-log", ""),
        ("http3", "yes"),
        ("cpu", "0"),
        ("cpu", "a lot"),
        ("memory", "1Mi"),
        ("max-request-size", "0"),
        ("max-request-size", "1Gi"),
        ("max-request-size", "100m"),
        ("trusted-hops", "17"),
        ("connections", "0"),
        ("tracing-percent", "5"),
        ("tracing-collector", "collector:4317"),
        ("tracing-collector", "jaeger://collector:4317"),
        ("tracing-collector", "otlp://collector"),
        ("tracing-collector", "otlp://collector:0"),
        ("tracing-collector", "otlp://collector:65536"),
        ("tracing-collector", "otlp://a b:4317"),
        ("tracing-collector", "otlp://localhost:19001"),
        ("tracing-collector", "otlp://127.0.0.1:19001"),
        ("tracing-collector", "otlp://127.1:19001"),
        ("tracing-collector", "otlp://[::1]:19001"),
        ("tracing-collector", "otlp://[::ffff:127.0.0.1]:19001"),
        ("tracing-collector", "otlp://169.254.169.254:80"),
        ("tracing-collector", "otlp://0.0.0.0:80"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(ParameterError, match=rf"data\[{key}\]"):
        parse({key: value})


def test_a_share_of_traces_and_amounts_of_memory_fit_together() -> None:
    collector = {"tracing-collector": "otlp://collector:4317"}
    for percent in ("-1", "101", "nan", "many"):
        with pytest.raises(ParameterError, match="from 0 to 100"):
            parse({**collector, "tracing-percent": percent})
    with pytest.raises(ParameterError, match="memory-limit"):
        parse({"memory": "2Gi", "memory-limit": "1Gi"})
