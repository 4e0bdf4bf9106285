"""Look names up with a resolver in Python: one line a name, with its addresses."""

import contextlib
import sys

import dns.exception
import dns.resolver

resolver = dns.resolver.Resolver()
resolver.use_edns(-1)
for name in sys.argv[1:]:
    found: list[str] = []
    for kind in ("A", "AAAA"):
        with contextlib.suppress(dns.exception.DNSException):
            found += [data.to_text() for data in resolver.resolve(name, kind, search=True)]
    sys.stdout.write(" ".join((name, *found)) + "\n")
