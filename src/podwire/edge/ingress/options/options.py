"""What holds for all Ingresses of a controller. Each field has the name of its key in the ConfigMap."""

from __future__ import annotations

import msgspec

from podwire.edge.ingress.annotations.settings import Settings
from podwire.edge.ingress.annotations.templates import Url
from podwire.edge.model.script import Template
from podwire.kube.meta import NamespacedName

KEY = NamespacedName("podwire-system", "ingress")
"""The ConfigMap."""
YEAR_SECONDS = 31_536_000


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Values by key. Defaults are those of ingress-nginx."""

    hsts: bool = True
    hsts_include_subdomains: bool = True
    hsts_max_age: int = YEAR_SECONDS
    hsts_preload: bool = False
    http_redirect_code: int = 308
    no_auth_locations: tuple[str, ...] = ("/.well-known/acme-challenge",)
    limit_req_status_code: int = 503
    limit_conn_status_code: int = 503
    global_auth_url: Url | None = None
    global_auth_method: str = ""
    global_auth_signin: Template = ()
    global_auth_signin_redirect_param: str = "rd"
    global_auth_request_redirect: Template = ()
    global_auth_response_headers: tuple[str, ...] = ()
    global_auth_always_set_cookie: bool = False
    global_auth_cache_key: Template = ()
    global_auth_cache_duration: tuple[tuple[str, float], ...] = Settings().auth_cache_duration
    add_headers: NamespacedName | None = None
    proxy_set_headers: NamespacedName | None = None
    hide_headers: tuple[str, ...] = ()
    annotation_value_word_blocklist: tuple[str, ...] = ()
    ssl_protocols: tuple[str, ...] = ("1.2", "1.3")
    ssl_ciphers: tuple[str, ...] = ()
    use_http2: bool = True
    use_gzip: bool = False
    gzip_level: int = 1
    gzip_min_length: int = 256
    gzip_types: tuple[str, ...] = ()
    enable_brotli: bool = False
    brotli_level: int = 4
    brotli_min_length: int = 20
    brotli_types: tuple[str, ...] = ()
    use_forwarded_headers: bool = False
    proxy_real_ip_cidr: tuple[str, ...] = ()
    use_proxy_protocol: bool = False
    disable_access_log: bool = False
    enable_underscores_in_headers: bool = False
    keep_alive: float = 3600.0
    enable_opentelemetry: bool = False
    otlp_collector_host: str = ""
    otlp_collector_port: int = 4317
    otel_sampler: str = "AlwaysOn"
    otel_sampler_ratio: float = 0.01

    @property
    def percent_traced(self) -> float:
        """Of the requests of what is traced at all."""
        shares = {"AlwaysOn": 1.0, "AlwaysOff": 0.0}
        return 100 * shares.get(self.otel_sampler, self.otel_sampler_ratio)

    @property
    def global_auth(self) -> Settings | None:
        """The authorization of Ingresses that have no own, as annotations; None: there is none."""
        if self.global_auth_url is None:
            return None
        names = [one for one in self.__struct_fields__ if one.startswith("global_auth_")]
        return Settings(**{one.removeprefix("global_"): getattr(self, one) for one in names})

    @property
    def strict_transport_security(self) -> str:
        """The value of the header of that name (RFC 6797); empty: none."""
        if not self.hsts:
            return ""
        subdomains = "; includeSubDomains" if self.hsts_include_subdomains else ""
        return f"max-age={self.hsts_max_age}{subdomains}{'; preload' if self.hsts_preload else ''}"


USUAL = Options()
