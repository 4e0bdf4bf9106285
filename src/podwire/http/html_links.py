"""Links of HTML pages that pass through the subresource `proxy`: absolute paths get the proxy's path before them. Pure.

Source: k8s.io/apimachinery `pkg/util/proxy/transport.go`.
"""

from __future__ import annotations

import re
import zlib

LINKS = {
    "a": ("href",),
    "applet": ("codebase",),
    "area": ("href",),
    "audio": ("src",),
    "base": ("href",),
    "blockquote": ("cite",),
    "body": ("background",),
    "button": ("formaction",),
    "command": ("icon",),
    "del": ("cite",),
    "embed": ("src",),
    "form": ("action",),
    "frame": ("longdesc", "src"),
    "head": ("profile",),
    "html": ("manifest",),
    "iframe": ("longdesc", "src"),
    "img": ("longdesc", "src", "usemap"),
    "input": ("src", "usemap", "formaction"),
    "ins": ("cite",),
    "link": ("href",),
    "object": ("classid", "codebase", "data", "usemap"),
    "q": ("cite",),
    "script": ("src",),
    "source": ("src",),
    "video": ("poster", "src"),
}
"""Elements and their attributes that hold URLs."""

LONGEST_TAG = 64 << 10
"""Bytes of an unfinished tag that are held back; a longer one passes as it is."""

TAG = re.compile(rb"<([A-Za-z]+)(\s[^>]*)>")
ATTRIBUTE = re.compile(rb"""(?P<name>\s[a-zA-Z]+)(?P<equals>\s*=\s*)(?P<quote>["']?)(?P<path>/(?!/)[^"'\s>]*)""")
GZIP_WINDOW = 16 + zlib.MAX_WBITS


def prefixed(path: bytes, prefix: bytes) -> bytes:
    """The path below the prefix; one that begins with it already stays."""
    return path if path.startswith(prefix) else prefix.rstrip(b"/") + path


class LinkRewriter:
    """Rewrites one page as it comes, chunk by chunk. `encoding` is the page's Content-Encoding: none or gzip."""

    def __init__(self, prefix: str, encoding: str) -> None:
        self._prefix = prefix.encode()
        self._unpacked = zlib.decompressobj(GZIP_WINDOW) if encoding == "gzip" else None
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What can be passed on now. Raises zlib.error for a body that is declared as gzip and is not."""
        page = self._held + (self._unpacked.decompress(chunk) if self._unpacked else chunk)
        begun = page.rfind(b"<")
        unfinished = begun >= 0 and page.find(b">", begun) < 0 and len(page) - begun <= LONGEST_TAG
        whole, self._held = (page[:begun], page[begun:]) if unfinished else (page, b"")
        return TAG.sub(self._tag, whole)

    def end(self) -> bytes:
        """What was held back."""
        return self._held

    def _tag(self, tag: re.Match[bytes]) -> bytes:
        desired = LINKS.get(tag[1].decode().lower(), ())

        def attribute(found: re.Match[bytes]) -> bytes:
            if found["name"].strip().decode().lower() not in desired:
                return found[0]
            return found["name"] + found["equals"] + found["quote"] + prefixed(found["path"], self._prefix)

        return b"<" + tag[1] + ATTRIBUTE.sub(attribute, tag[2]) + b">"


def rewriter(content_type: str, encoding: str, prefix: str) -> LinkRewriter | None:
    """The rewriter for an answer with these headers; None where it passes as it is."""
    is_page = content_type.partition(";")[0].strip().lower() == "text/html"
    readable = encoding.strip().lower() in {"", "identity", "gzip"}
    return LinkRewriter(prefix, encoding.strip().lower()) if prefix and is_page and readable else None
