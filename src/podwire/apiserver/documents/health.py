"""Health: `/healthz`, `/livez` and `/readyz` with the checks below them, in upstream's wording. Pure.

Source: k8s.io/apiserver `pkg/server/healthz/healthz.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from podwire.apiserver.base import status
from podwire.apiserver.base.requests import Request, Response, text_response

Check = Callable[[], str]
"""Returns what is wrong; empty where all is well."""

ROOTS = ("/healthz", "/livez", "/readyz")


def ping() -> str:
    """The check that this process answers: always well."""
    return ""


def is_health(path: str) -> bool:
    """Whether the path is one of health."""
    return path in ROOTS or path.startswith(tuple(f"{root}/" for root in ROOTS))


def answer(request: Request, path: str, checks: Mapping[str, Check]) -> Response:
    """How all checks are, or the one that the path names; raises StatusError 404 for one that is not there.

    Reasons are only in answers for a single check: the paths of all checks are open to every client.
    """
    root, _, name = path.removeprefix("/").partition("/")
    if not name:
        return _all(request, root, checks)
    if name not in checks:
        raise status.no_such_path()
    problem = checks[name]()
    return text_response(f"internal server error: {problem}\n", 500) if problem else text_response("ok")


def _all(request: Request, root: str, checks: Mapping[str, Check]) -> Response:
    excluded = set(request.query.get("exclude", ()))
    failed = [name for name, check in checks.items() if name not in excluded and check()]
    lines = [_line(name, name in failed, name in excluded) for name in checks]
    if unknown := sorted(excluded - checks.keys()):
        named = ",".join(f'"{name}"' for name in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {named}\n")
    if failed:
        return text_response(f"{''.join(lines)}{root} check failed\n", 500)
    return text_response(f"{''.join(lines)}{root} check passed\n" if "verbose" in request.query else "ok")


def _line(name: str, failed: bool, excluded: bool) -> str:
    if excluded:
        return f"[+]{name} excluded: ok\n"
    return f"[-]{name} failed: reason withheld\n" if failed else f"[+]{name} ok\n"
