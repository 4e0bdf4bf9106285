"""Options of a DELETE, and the parameters of other writes, as clients send them."""

from typing import Any

import pytest

from podwire.apiserver.base.requests import Request
from podwire.apiserver.base.status import StatusError
from podwire.apiserver.writes.delete_options import read
from podwire.apiserver.writes.deletion import LONGEST_GRACE_SECONDS, DeleteOptions
from tests.apiserver.conftest import Talk
from tests.apiserver.samples import config_map, pod

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


def request(**query: str) -> Request:
    return Request("DELETE", "/", None, {name: (value,) for name, value in query.items()})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, DeleteOptions()),
        ({"gracePeriodSeconds": None, "preconditions": None, "dryRun": None}, DeleteOptions()),
        ({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 3}, DeleteOptions(grace_seconds=3)),
        ({"gracePeriodSeconds": 10**18}, DeleteOptions(grace_seconds=LONGEST_GRACE_SECONDS)),
        ({"orphanDependents": True}, DeleteOptions(propagation="Orphan")),
        ({"orphanDependents": False}, DeleteOptions()),
        ({"dryRun": ["All"]}, DeleteOptions(dry_run=True)),
        (
            {"preconditions": {"uid": "u", "resourceVersion": "7"}, "unknown": 1},
            DeleteOptions(uid="u", resource_version="7"),
        ),
    ],
)
def test_a_body_is_read(body: Any, expected: DeleteOptions) -> None:
    assert read(body, request()) == expected


def test_the_query_has_what_the_body_leaves_out() -> None:
    found = read({}, request(gracePeriodSeconds="5", propagationPolicy="Foreground", dryRun="All"))
    assert found == DeleteOptions(grace_seconds=5, propagation="Foreground", dry_run=True)
    assert read({"gracePeriodSeconds": 0}, request(gracePeriodSeconds="5")).grace_seconds == 0


@pytest.mark.parametrize(
    "body",
    [
        [],
        "x",
        {"propagationPolicy": []},
        {"gracePeriodSeconds": "1"},
        {"gracePeriodSeconds": 2**63},
        {"gracePeriodSeconds": 1.5},
        {"preconditions": []},
        {"preconditions": {"uid": 1}},
        {"dryRun": "All"},
        {"kind": "Pod"},
    ],
)
def test_what_is_no_delete_options_is_a_bad_request(body: Any) -> None:
    with pytest.raises(StatusError) as refusal:
        read(body, request())
    assert (refusal.value.code, refusal.value.reason) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"propagationPolicy": "Sideways"}, "propagationPolicy"),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, "propagationPolicy"),
        ({"dryRun": ["Some"]}, "dryRun"),
    ],
)
def test_unknown_values_are_invalid(body: Any, field: str) -> None:
    with pytest.raises(StatusError) as refusal:
        read(body, request())
    assert (refusal.value.code, refusal.value.reason) == (422, "Invalid")
    assert [cause.field for cause in refusal.value.details.causes] == [field]


async def test_a_list_of_options_in_an_eviction_is_refused(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod(nodeName="n1"))
    body = {"metadata": {"name": "web"}, "deleteOptions": []}
    assert (await talk.refused("POST", f"{PODS}/web/eviction", body))[0] == 400
    assert (await talk.ok("POST", f"{PODS}/web/eviction", {**body, "deleteOptions": None}))["status"] == "Success"


async def test_the_longest_grace_is_kept_within_the_years_of_a_timestamp(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod(nodeName="n1", terminationGracePeriodSeconds=2**63 - 1))
    marked = await talk.ok("DELETE", f"{PODS}/web")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == LONGEST_GRACE_SECONDS
    assert (await talk.ok("DELETE", f"{PODS}/web", {"gracePeriodSeconds": 10**18}))["metadata"]["deletionTimestamp"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("dryRun=Some", 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported'),
        (
            "fieldValidation=Loose",
            'fieldValidation: Unsupported value: "Loose": supported values: "", "Ignore", "Strict", "Warn"',
        ),
    ],
)
async def test_unknown_parameters_of_a_write_are_invalid(talk: Talk, query: str, message: str) -> None:
    code, reason, text = await talk.refused("POST", f"{MAPS}?{query}", config_map())
    assert (code, reason) == (422, "Invalid")
    assert message in text
    await talk.ok("POST", f"{MAPS}?dryRun=All&fieldValidation=Warn", config_map())
