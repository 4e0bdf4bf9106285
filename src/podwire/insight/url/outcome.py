"""What a client gets in the end. Pure."""

from __future__ import annotations

from podwire.edge.model.routes import Answer, RedirectTo, Route
from podwire.insight.url.connections import Connection
from podwire.insight.url.cut_off import REFUSED
from podwire.insight.url.passage import Passage
from podwire.insight.url.question import Question
from podwire.insight.url.report import BackendLine, Kind, Outcome
from podwire.insight.url.steps import location

NO_BACKEND = 500


def outcome(
    question: Question, way: Passage, lines: tuple[BackendLine, ...], arriving: tuple[Connection, ...]
) -> Outcome:
    """Return it. `arriving`: the connections of the client to Envoys."""
    denied = [one for one in arriving if not one.is_allowed]
    if denied and len(denied) == len(arriving):
        names = f"{denied[0].source.name} -> {denied[0].destination.name}"
        return Outcome(Kind.CLOSED, f"no answer: policies do not allow {names}")
    if way.ends is not None:
        return way.ends.outcome
    if way.stream is not None:
        return _of_stream(lines)
    taken = way.taken
    assert taken is not None, "a passage without an end has a route"
    return _of_route(question, taken.route, lines)


def _of_stream(lines: tuple[BackendLine, ...]) -> Outcome:
    """Connections are passed on, or closed; requests are between the client and the backend."""
    shares = [one for one in lines if one.weight]
    parts = [
        f"{f'closed: {_why(one)}' if one.status else f'passed on to {one.backend}'}"
        f"{f' ({one.percent:.3g} %)' if len(shares) > 1 else ''}"
        for one in shares
    ]
    text = f"the connection is {', '.join(parts) or 'closed: every weight is 0'}"
    return Outcome(Kind.PASSED_ON if any(not one.status for one in shares) else Kind.CLOSED, text)


def _of_route(question: Question, route: Route, lines: tuple[BackendLine, ...]) -> Outcome:
    action = route.action
    if isinstance(action, RedirectTo):
        target = location(route, action.redirect, question)
        return Outcome(Kind.ANSWERED, f"{action.redirect.status}: redirect to {target}", action.redirect.status, target)
    if isinstance(action, Answer):
        return Outcome(Kind.ANSWERED, f"{action.status}: the route answers itself", action.status)
    served = [one for one in lines if one.weight]
    if not served:
        text = "every weight is 0" if lines else "the rule has no backend"
        return Outcome(Kind.ANSWERED, f"{NO_BACKEND}: {text}", NO_BACKEND)
    statuses = {one.status for one in served}
    text = ", ".join(_share(one, len(served) > 1) for one in served)
    if statuses == {0} or len(statuses) > 1:
        return Outcome(Kind.FORWARDED, text)
    (status,) = statuses
    return Outcome(Kind.ANSWERED, text, status)


def _share(line: BackendLine, is_part: bool) -> str:
    what = f"{line.status}: {_why(line)}" if line.status else f"forwarded to {line.backend}"
    return f"{what} ({line.percent:.3g} %)" if is_part else what


def _why(line: BackendLine) -> str:
    if not line.backend:
        return "the backend is not resolved"
    return f"{line.backend}: {_closed(line)}"


def _closed(line: BackendLine) -> str:
    if line.status == REFUSED:
        return "policies of the mesh do not allow the request"
    return "no endpoint can be reached" if line.is_cut_off else "no endpoint is ready"
