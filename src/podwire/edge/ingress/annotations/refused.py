"""Annotations that are not supported: by area, with the reason and what replaces them. Pure."""

from __future__ import annotations

_NOT_THERE = "podwire does not have it"

REFUSED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "snippets",
        "text of a configuration is never taken from an Ingress: use the annotation or Gateway API field for it",
        ("configuration-snippet", "server-snippet", "stream-snippet", "auth-snippet", "modsecurity-snippet"),
    ),
    (
        "firewall",
        "there is no ModSecurity in Envoy: put a firewall in front, or use an HTTPRoute with external authorization",
        ("enable-modsecurity", "enable-owasp-core-rules", "modsecurity-transaction-id"),
    ),
    (
        "fastcgi",
        "Envoy does not speak FastCGI: put a web server before it in the pod",
        ("fastcgi-index", "fastcgi-params-configmap"),
    ),
    (
        "buffers",
        "Envoy has bounded buffers for each stream and no temporary files: remove it",
        (
            "proxy-buffering", "proxy-buffer-size", "proxy-buffers-number", "proxy-busy-buffers-size",
            "proxy-max-temp-file-size", "proxy-request-buffering", "client-body-buffer-size", "http2-push-preload",
        ),
    ),
    (
        "client certificates",
        "use a Gateway with spec.tls.frontend for client certificates",
        (
            "auth-tls-secret", "auth-tls-verify-client", "auth-tls-verify-depth", "auth-tls-error-page",
            "auth-tls-pass-certificate-to-upstream", "auth-tls-match-cn",
        ),
    ),
    (
        "backend TLS",
        "use a BackendTLSPolicy for the Service, and an HTTPRoute",
        (
            "proxy-ssl-secret", "proxy-ssl-name", "proxy-ssl-server-name", "proxy-ssl-verify",
            "proxy-ssl-verify-depth", "proxy-ssl-protocols", "proxy-ssl-ciphers",
        ),
    ),
    (
        "external auth",
        "use an HTTPRoute with a filter of type ExternalAuth",
        (
            "auth-url", "auth-method", "auth-signin", "auth-signin-redirect-param", "auth-request-redirect",
            "auth-response-headers", "auth-proxy-set-headers", "auth-always-set-cookie", "auth-cache-key",
            "auth-cache-duration", "auth-keepalive", "auth-keepalive-requests", "auth-keepalive-share-vars",
            "auth-keepalive-timeout", "enable-global-auth",
        ),
    ),
    ("basic auth", "all of addresses and users must fit, and the realm is Envoy's", ("auth-realm", "satisfy")),
    (
        "limits",
        _NOT_THERE,
        (
            "limit-connections", "limit-rate", "limit-rate-after",
            "limit-allowlist", "limit-whitelist",
        ),
    ),
    (
        "affinity",
        _NOT_THERE,
        (
            "affinity-mode", "affinity-canary-behavior", "session-cookie-domain", "session-cookie-expires",
            "session-cookie-samesite", "session-cookie-secure", "session-cookie-conditional-samesite-none",
            "session-cookie-change-on-failure",
        ),
    ),
    (
        "upstream",
        _NOT_THERE,
        (
            "load-balance", "upstream-hash-by", "upstream-hash-by-subset", "upstream-hash-by-subset-size",
            "default-backend", "proxy-http-version", "proxy-next-upstream-timeout",
        ),
    ),
    ("upstream", "requests go to the ready endpoints themselves: remove it", ("service-upstream",)),
    (
        "answers",
        _NOT_THERE,
        (
            "custom-http-errors", "disable-proxy-intercept-errors", "proxy-cookie-domain",
            "proxy-cookie-path", "proxy-redirect-from", "proxy-redirect-to", "connection-proxy-header",
        ),
    ),
    ("mirror", _NOT_THERE, ("mirror-target", "mirror-host", "mirror-request-body")),
    ("TLS", "a listener has the proxy's own choice", ("ssl-ciphers", "ssl-prefer-server-ciphers")),
    ("TLS", "use a TLSRoute on a listener of mode Passthrough", ("ssl-passthrough",)),
    (
        "logs",
        _NOT_THERE,
        (
            "enable-access-log", "enable-rewrite-log", "enable-opentelemetry", "opentelemetry-operation-name",
            "opentelemetry-trust-incoming-span",
        ),
    ),
)  # fmt: skip
