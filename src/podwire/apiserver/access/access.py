"""Authentication, authorization and audit, wired for one store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.access import bootstrap_policy
from podwire.apiserver.access.account_secrets import account_secrets
from podwire.apiserver.access.aggregation import Aggregation
from podwire.apiserver.access.audit import AuditLog
from podwire.apiserver.access.escalation import no_escalation
from podwire.apiserver.access.filters import AuthFilter, Authorizer
from podwire.apiserver.access.rbac import Rbac
from podwire.apiserver.access.reviews import Reviews
from podwire.apiserver.access.service_accounts import service_account
from podwire.apiserver.access.token_requests import TokenRequests
from podwire.apiserver.access.tokens import Tokens
from podwire.apiserver.base.requests import Response, json_response
from podwire.pki.jwt import ALGORITHM, SigningKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from podwire.apiserver.kinds.resources import Registry
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.writes.admission import Admission

DISCOVERY_PATH = "/.well-known/openid-configuration"
KEYS_PATH = "/openid/v1/jwks"


class AccessConfig(msgspec.Struct, frozen=True):
    """`authority` is the PEM of the authority that clients shall trust.

    `issuer` is what tokens name as their origin, `server` the URL at which clients of OpenID Connect find the keys.
    `key_file` is the PEM key that signs tokens (empty: a new one, and tokens end with the server). `audit_file` takes
    the audit log; empty: none is kept. `roles` are ClusterRoles and ClusterRoleBindings beside the default ones.
    """

    authority: str
    issuer: str
    server: str
    key_file: str = ""
    audit_file: str = ""
    roles: tuple[Mapping[str, Any], ...] = ()


class Access:
    """The parts, wired. `start` once the store's own objects can be written, `stop` at the end."""

    def __init__(self, config: AccessConfig, store: Store, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self._aggregation = Aggregation(store)
        index = Rbac.of(store)
        authorize = Authorizer(index, store)
        self.tokens = Tokens(store, self._load_key, config.issuer, clock)
        self.auth_filter = AuthFilter(authorize, self.tokens)
        self.reviews = Reviews(index, authorize, self.tokens)
        self.token_requests = TokenRequests(store, self.tokens)
        self.audit = AuditLog(Path(config.audit_file), clock) if config.audit_file else None
        secrets = account_secrets(self.tokens, config.authority)
        self.admission: tuple[Admission, ...] = (service_account, secrets, no_escalation(index, authorize))

    async def start(self, registry: Registry) -> None:
        """Make the default roles."""
        await bootstrap_policy.ensure(self._store, registry, self._clock(), self._config.roles)

    async def stop(self) -> None:
        """Finish what is being written."""
        await self._aggregation.stop()
        self.close()

    def close(self) -> None:
        """Close the audit log, of a server that was not started."""
        if self.audit is not None:
            self.audit.close()

    def documents(self) -> dict[str, Callable[[], Response]]:
        """OpenID Connect discovery of this server's tokens, by path."""
        return {DISCOVERY_PATH: self._discovery, KEYS_PATH: self._keys}

    def _discovery(self) -> Response:
        return json_response(
            {
                "issuer": self._config.issuer,
                "jwks_uri": f"{self._config.server}{KEYS_PATH}",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
            }
        )

    def _keys(self) -> Response:
        body = msgspec.json.encode({"keys": [self.tokens.key.public.jwk()]})
        return Response(body, content_type="application/jwk-set+json")

    def _load_key(self) -> SigningKey:
        path = self._config.key_file
        return SigningKey.load(Path(path).read_bytes()) if path else SigningKey.create()
