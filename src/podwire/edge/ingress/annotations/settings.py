"""What the annotations of an Ingress ask for, and what of them is not honoured. Pure.

Each field has the name of its annotation; its default is that of ingress-nginx (`internal/ingress/controller/config`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from podwire.edge.ingress.annotations.grammar import LONGEST, InvalidValueError
from podwire.edge.ingress.annotations.table import PREFIXES, REMEDY, TABLE, Support
from podwire.edge.ingress.annotations.templates import Url
from podwire.edge.model.script import Replacement, Template
from podwire.kube.meta import NamespacedName

DENIES = frozenset(
    (
        "denylist-source-range", "allowlist-source-range", "whitelist-source-range", "satisfy",
        "auth-type", "auth-secret", "auth-secret-type", "auth-realm",
        "auth-url", "auth-method", "auth-response-headers", "auth-proxy-set-headers", "auth-snippet",
        "auth-tls-secret", "auth-tls-verify-client", "auth-tls-verify-depth", "auth-tls-match-cn",
        "proxy-ssl-secret", "proxy-ssl-verify", "proxy-ssl-name",
    )
)  # fmt: skip
"""Annotations that protect: a location whose value is not valid or not supported answers 503."""

OF_HOST = "auth-tls-"
"""Annotations that hold for the whole host, other Ingresses' paths too."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Values by annotation. Seconds and bytes are whole; empty texts are absent annotations."""

    app_root: str = ""
    rewrite_target: str = ""
    use_regex: bool = False
    x_forwarded_prefix: str = ""
    ssl_redirect: bool = True
    force_ssl_redirect: bool = False
    preserve_trailing_slash: bool = False
    permanent_redirect: Template = ()
    permanent_redirect_code: int = 301
    temporal_redirect: Template = ()
    temporal_redirect_code: int = 302
    from_to_www_redirect: bool = False
    relative_redirects: bool = False
    use_port_in_redirects: bool = False
    enable_cors: bool = False
    cors_allow_origin: tuple[str, ...] = ("*",)
    cors_allow_methods: tuple[str, ...] = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS")
    cors_allow_headers: tuple[str, ...] = (
        "DNT", "Keep-Alive", "User-Agent", "X-Requested-With", "If-Modified-Since", "Cache-Control", "Content-Type",
        "Range", "Authorization",
    )  # fmt: skip
    cors_expose_headers: tuple[str, ...] = ()
    cors_allow_credentials: bool = True
    cors_max_age: int = 1_728_000
    canary: bool = False
    canary_by_header: str = ""
    canary_by_header_value: str = ""
    canary_by_header_pattern: str = ""
    canary_by_cookie: str = ""
    canary_weight: int = 0
    canary_weight_total: int = 100
    proxy_connect_timeout: float = 5.0
    proxy_read_timeout: float = 60.0
    proxy_send_timeout: float = 60.0
    proxy_next_upstream: tuple[str, ...] = ("error", "timeout")
    proxy_next_upstream_tries: int = 3
    backend_protocol: str = "HTTP"
    upstream_vhost: str = ""
    server_alias: tuple[str, ...] = ()
    service_upstream: bool = False
    load_balance: str = "round_robin"
    upstream_hash_by: Template = ()
    proxy_http_version: str = "1.1"
    connection_proxy_header: str = ""
    affinity: str = ""
    affinity_mode: str = "balanced"
    affinity_canary_behavior: str = "sticky"
    session_cookie_name: str = "INGRESSCOOKIE"
    session_cookie_path: str = ""
    session_cookie_domain: str = ""
    session_cookie_max_age: int = 0
    session_cookie_expires: int = 0
    session_cookie_samesite: str = ""
    session_cookie_secure: bool | None = None
    session_cookie_conditional_samesite_none: bool = False
    session_cookie_change_on_failure: bool = False
    proxy_ssl_secret: NamespacedName | None = None
    proxy_ssl_name: str = ""
    proxy_ssl_server_name: bool = False
    proxy_ssl_verify: bool = False
    proxy_ssl_verify_depth: int = 1
    proxy_ssl_protocols: tuple[str, ...] = ()
    proxy_ssl_ciphers: tuple[str, ...] = ()
    mirror_target: Url | None = None
    mirror_host: str = ""
    mirror_request_body: bool = True
    allowlist_source_range: tuple[str, ...] = ()
    denylist_source_range: tuple[str, ...] = ()
    satisfy: str = "all"
    auth_type: str = ""
    auth_secret: NamespacedName | None = None
    auth_secret_type: str = "auth-file"  # noqa: S105 a form of Secrets
    auth_realm: str = ""
    auth_url: Url | None = None
    auth_method: str = ""
    auth_signin: Template = ()
    auth_signin_redirect_param: str = "rd"
    auth_request_redirect: Template = ()
    auth_response_headers: tuple[str, ...] = ()
    auth_proxy_set_headers: NamespacedName | None = None
    auth_always_set_cookie: bool = False
    auth_cache_key: Template = ()
    auth_cache_duration: tuple[tuple[str, float], ...] = (("200", 300), ("202", 300), ("401", 300))
    auth_keepalive: int = 0
    auth_keepalive_requests: int = 1000
    auth_keepalive_timeout: int = 60
    auth_keepalive_share_vars: bool = False
    enable_global_auth: bool = True
    auth_tls_secret: NamespacedName | None = None
    auth_tls_verify_client: str = "on"
    auth_tls_verify_depth: int = 1
    auth_tls_error_page: Template = ()
    auth_tls_pass_certificate_to_upstream: bool = False
    auth_tls_match_cn: str = ""
    limit_rps: int = 0
    limit_rpm: int = 0
    limit_burst_multiplier: int = 5
    limit_connections: int = 0
    limit_allowlist: tuple[str, ...] = ()
    proxy_body_size: int = 1 << 20
    proxy_request_buffering: str = "on"
    client_body_buffer_size: int = 0
    proxy_buffering: str = "off"
    proxy_buffer_size: int = 0
    proxy_busy_buffers_size: int = 0
    proxy_max_temp_file_size: int = 0
    proxy_buffers_number: int = 4
    custom_headers: NamespacedName | None = None
    proxy_redirect_from: Template = ()
    proxy_redirect_to: Template = ()
    proxy_cookie_domain: Replacement | None = None
    proxy_cookie_path: Replacement | None = None
    custom_http_errors: tuple[int, ...] = ()
    default_backend: NamespacedName | None = None
    disable_proxy_intercept_errors: bool = False
    ssl_ciphers: tuple[str, ...] = ()
    ssl_prefer_server_ciphers: bool = False
    ssl_passthrough: bool = False
    enable_access_log: bool = True
    enable_opentelemetry: bool | None = None
    opentelemetry_operation_name: str = ""

    @property
    def has_own_retries(self) -> bool:
        """Whether the Ingress names the requests that are tried again, other than by default."""
        return (self.proxy_next_upstream, self.proxy_next_upstream_tries) != (("error", "timeout"), 3)


DEFAULTS = Settings()


class Problem(msgspec.Struct, frozen=True):
    """An annotation that is not honoured, or not as it is written.

    Attributes:
        annotation: its whole name.
        reason: of an event: UnknownAnnotation, UnsupportedAnnotation or InvalidAnnotation.
        message: what is wrong, and the remedy.

    """

    annotation: str
    reason: str
    message: str


class Read(msgspec.Struct, frozen=True):
    """The annotations of one Ingress.

    Attributes:
        denied: why all its paths answer 503: a value that protects them is not honoured. Empty: they do not.
        denies_host: whether all paths of its hosts do, of other Ingresses too.

    """

    settings: Settings = DEFAULTS
    problems: tuple[Problem, ...] = ()
    denied: str = ""
    denies_host: bool = False


def read(annotations: Mapping[str, str], defaults: Settings = DEFAULTS, blocked: Iterable[str] = ()) -> Read:
    """Return what the annotations ask for. One that is not valid, or has a blocked word, has its default."""
    blocked = tuple(blocked)
    values: dict[str, object] = {}
    problems: list[Problem] = []
    denied, denies_host = "", False
    for whole, name, text in _own(annotations):
        problem = _blocked(whole, text, blocked) or _read_one(whole, name, text, values)
        if problem is not None:
            problems.append(problem)
            if name in DENIES and not denied:
                denied = problem.message
            denies_host |= name in DENIES and name.startswith(OF_HOST)
    return Read(msgspec.structs.replace(defaults, **values), tuple(problems), denied, denies_host)


def _own(annotations: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield those with a prefix of this controller; of one under both prefixes the first prefix's."""
    seen = set()
    for prefix in PREFIXES:
        for whole in sorted(annotations):
            name = whole.removeprefix(prefix)
            if name != whole and name not in seen:
                seen.add(name)
                yield whole, name, annotations[whole]


def _blocked(whole: str, text: str, words: Iterable[str]) -> Problem | None:
    word = next((one for one in words if one in text), None)
    return None if word is None else Problem(whole, "InvalidAnnotation", f"{whole}: {word!r} is blocked: {REMEDY}")


def _read_one(whole: str, name: str, text: str, values: dict[str, object]) -> Problem | None:
    row = TABLE.get(name)
    if row is None:
        return Problem(whole, "UnknownAnnotation", f"{whole} is not known: remove it, or correct its name")
    if row.support is Support.REFUSED or row.grammar is None:
        effect = "is not supported, so all paths answer 503" if name in DENIES else "has no effect"
        return Problem(whole, "UnsupportedAnnotation", f"{whole} {effect}: {row.note}")
    if len(text) > LONGEST:
        return Problem(whole, "InvalidAnnotation", f"{whole}: at most {LONGEST} characters are expected: {REMEDY}")
    try:
        value = row.grammar(text.strip())
    except InvalidValueError as error:
        return Problem(whole, "InvalidAnnotation", f"{whole}: {error}: {REMEDY}")
    if row.ignores(value):
        return Problem(whole, "UnsupportedAnnotation", f"{whole} has no effect: {row.note}")
    values[row.field] = value
    return None
