"""Events. Source: k8s.io/kubernetes `pkg/apis/core/validation/events.go`, the rules that both groups share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import formats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

LONGEST_WORD = 128
LONGEST_MESSAGE = 1024
_OF_THE_CLUSTER = {True: ("default", "kube-system"), False: ("", "default")}
"""Namespaces of Events about cluster-scoped objects: of those with an eventTime, and of older ones."""


def validate(event: Field) -> Iterator[Cause]:
    """Check an Event: it is in the namespace of its object; with an eventTime it needs reporter, action and reason."""
    is_new = bool(event["eventTime"])
    yield from _place(event, is_new)
    if not is_new:
        return
    reporter = event["reportingComponent"]
    if not reporter:
        yield reporter.required()
    yield from reporter.invalid_each(formats.label_key(reporter.text))
    for word in ("reportingInstance", "action", "reason"):
        if not event[word]:
            yield event[word].required()
        elif len(event[word].text.encode()) > LONGEST_WORD:
            yield event[word].invalid(f"can have at most {LONGEST_WORD} characters")
    if len(event["message"].text.encode()) > LONGEST_MESSAGE:
        yield event["message"].invalid(f"can have at most {LONGEST_MESSAGE} characters")


def _place(event: Field, is_new: bool) -> Iterator[Cause]:
    own, about = event["metadata"]["namespace"].text, event["involvedObject"]["namespace"]
    fits = own == about.text if about and not is_new else bool(about) or own in _OF_THE_CLUSTER[is_new]
    if not fits:
        yield about.invalid("does not match event.namespace")
