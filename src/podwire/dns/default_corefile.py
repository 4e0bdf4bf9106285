"""The Corefile that is used where no other is given. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def default_corefile(domain: str, upstreams: Iterable[str], ttl: int = 5, port: int = 53) -> str:
    """Return it: the cluster's names, and all others from these servers; without any they are refused."""
    servers = " ".join(upstreams)
    forward = f"    forward . {servers} {{\n        max_concurrent 1000\n    }}\n" if servers else ""
    return f"""\
.:{port} {{
    errors
    health
    ready
    kubernetes {domain.removesuffix(".")} in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl {ttl}
    }}
    prometheus
{forward}    cache 30
    loop
    reload
    loadbalance
}}
"""
