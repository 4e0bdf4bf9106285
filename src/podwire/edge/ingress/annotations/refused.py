"""Annotations that have no effect: by area, with the reason and what replaces them. Pure."""

from __future__ import annotations

REFUSED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "snippets",
        "text of a configuration is never taken from an Ingress: use the annotation or Gateway API field for it",
        ("configuration-snippet", "server-snippet", "stream-snippet", "auth-snippet", "modsecurity-snippet"),
    ),
    (
        "firewall",
        "there is no ModSecurity in Envoy: put a firewall in front, or use auth-url with a service that inspects",
        ("enable-modsecurity", "enable-owasp-core-rules", "modsecurity-transaction-id"),
    ),
    (
        "fastcgi",
        "Envoy does not speak FastCGI: put a web server before it in the pod",
        ("fastcgi-index", "fastcgi-params-configmap"),
    ),
    ("answers", "browsers have removed server push: send Link headers of preload", ("http2-push-preload",)),
    ("logs", "the access log has the path before and after a rewrite", ("enable-rewrite-log",)),
    (
        "logs",
        "a span of the client's own is always continued, and whether one is sent is decided by the proxy",
        ("opentelemetry-trust-incoming-span",),
    ),
)
