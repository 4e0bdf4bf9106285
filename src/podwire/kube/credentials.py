"""Where an API server is, and what proves who both sides are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import ssl


class Credentials(msgspec.Struct, frozen=True):
    """Where the server is and the files that prove who both sides are."""

    server: str
    authority_file: str
    certificate_file: str
    key_file: str

    def ssl_context(self) -> ssl.SSLContext:
        """TLS with the world's authority as the only trusted one."""
        import ssl

        context = ssl.create_default_context(cafile=self.authority_file)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context
