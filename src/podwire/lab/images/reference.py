"""Names of images, normalised as Docker does: `nginx` is `docker.io/library/nginx:latest`. Pure.

Source: distribution/reference (grammar in `reference.go`, `normalize.go`).
"""

from __future__ import annotations

import re

import msgspec

from podwire.lab.images.errors import ImageError

DEFAULT_DOMAIN = "docker.io"
OFFICIAL = "library/"
DEFAULT_TAG = "latest"
LONGEST_NAME = 255

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,}")
_IDENTIFIER = re.compile(r"[0-9a-f]{64}")


class Reference(msgspec.Struct, frozen=True):
    """A full name. One of `tag` and `digest` is set: where both were given the digest counts, as it does upstream."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """The name without tag and digest."""
        return f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag}"

    @property
    def familiar(self) -> str:
        """The short form that people write."""
        whole = str(self)
        if self.domain != DEFAULT_DOMAIN:
            return whole
        return whole.removeprefix(f"{DEFAULT_DOMAIN}/").removeprefix(OFFICIAL)

    def with_digest(self, digest: str) -> Reference:
        """The same repository by digest."""
        return Reference(self.domain, self.path, digest=digest)


def parse(text: str) -> Reference:
    """Read a name as people write it. Raises ImageError."""
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _invalid(text, f"{digest!r} is no digest such as sha256:...")
    if _IDENTIFIER.fullmatch(rest):
        raise _invalid(text, "64 hexadecimal digits are an image's id, not a name")
    domain, rest = _split_domain(rest)
    path, colon, tag = rest.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _invalid(text, f"{tag!r} is no tag")
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = OFFICIAL + path
    if not _DOMAIN.fullmatch(domain) or not _PATH.fullmatch(path) or len(domain) + 1 + len(path) > LONGEST_NAME:
        raise _invalid(text, "use lower case letters, digits and single separators, such as team/web:v1")
    return Reference(domain, path, digest=digest) if digest else Reference(domain, path, tag=tag or DEFAULT_TAG)


def _split_domain(text: str) -> tuple[str, str]:
    """The registry's host and the rest: a first part counts as a host where no repository of Docker's could be it."""
    first, slash, rest = text.partition("/")
    if not slash or (not set(first) & set(".:") and first != "localhost" and first == first.lower()):
        return DEFAULT_DOMAIN, text
    return DEFAULT_DOMAIN if first == f"index.{DEFAULT_DOMAIN}" else first, rest


def _invalid(text: str, why: str) -> ImageError:
    return ImageError(f"image name {text!r}: invalid reference format: {why}")
