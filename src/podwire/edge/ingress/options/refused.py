"""Keys of ingress-nginx's ConfigMap that have no effect: by area, with the reason and what replaces them. Pure."""

from __future__ import annotations

_OF_NGINX = "a part of nginx that Envoy does not have: remove it"

REFUSED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "snippets",
        "text of a configuration is never taken: use the annotation or key for it",
        (
            "allow-snippet-annotations", "main-snippet", "http-snippet", "server-snippet", "stream-snippet",
            "location-snippet", "global-auth-snippet", "modsecurity-snippet",
        ),
    ),
    (
        "firewall",
        "there is no ModSecurity in Envoy: put a firewall in front, or use global-auth-url",
        ("enable-modsecurity", "enable-owasp-modsecurity-crs"),
    ),
    ("clients", "use denylist-source-range", ("block-cidrs",)),
    ("clients", "use global-auth-url with a service that reads these headers", ("block-user-agents", "block-referers")),
    (
        "clients",
        "X-Forwarded-For of backends is always the client's address alone",
        ("compute-full-forwarded-for", "forwarded-for-header", "forwarded-host-header", "enable-real-ip"),
    ),
    (
        "logs",
        "lines of the access log are JSON with fields of fixed names, on standard output",
        (
            "log-format-upstream", "log-format-escape-json", "log-format-escape-none", "access-log-path",
            "access-log-params", "error-log-path", "error-log-level", "enable-syslog", "skip-access-log-urls",
        ),
    ),
    (
        "tracing",
        "a span of the client's own is always continued, whether one is sent is decided by the proxy",
        (
            "opentelemetry-config", "opentelemetry-operation-name", "opentelemetry-trust-incoming-span",
            "otel-service-name", "otel-sampler-parent-based", "otel-max-queuesize", "otel-schedule-delay-millis",
            "otel-max-export-batch-size",
        ),
    ),
    (
        "nginx",
        _OF_NGINX,
        (
            "worker-processes", "worker-cpu-affinity", "worker-shutdown-timeout", "max-worker-connections",
            "max-worker-open-files", "enable-multi-accept", "enable-aio-write", "reuse-port", "server-tokens",
            "server-name-hash-max-size", "server-name-hash-bucket-size", "map-hash-bucket-size",
            "proxy-headers-hash-max-size", "proxy-headers-hash-bucket-size", "variables-hash-max-size",
            "variables-hash-bucket-size", "lua-shared-dicts", "large-client-header-buffers",
            "client-header-buffer-size", "client-header-timeout", "client-body-timeout", "keep-alive-requests",
            "upstream-keepalive-connections", "upstream-keepalive-requests", "upstream-keepalive-timeout",
            "http2-max-concurrent-streams", "limit-rate", "limit-rate-after", "proxy-next-upstream-timeout",
            "ssl-dh-param", "ssl-ecdh-curve", "ssl-session-cache", "ssl-session-tickets", "ssl-session-timeout",
            "ssl-early-data", "ssl-reject-handshake", "use-geoip2", "default-type", "generate-request-id",
        ),
    ),
    (
        "annotations",
        "each value has a grammar of its own, and no other namespace is read",
        ("annotations-risk-level", "allow-cross-namespace-resources", "strict-validate-path-type"),
    ),
)  # fmt: skip
