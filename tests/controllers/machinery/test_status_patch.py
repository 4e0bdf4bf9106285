"""Statuses as controllers write them."""

from __future__ import annotations

from podwire.controllers.machinery.status_patch import COLLISIONS, whole
from podwire.kube.apps import DaemonSetStatus, StatefulSetStatus


def test_zeros_replace_what_stood_there_and_collisions_are_told_from_the_first_one_on() -> None:
    told = whole(DaemonSetStatus(number_ready=1), unless_zero=COLLISIONS)
    assert (told["numberReady"], told["numberAvailable"], COLLISIONS in told) == (1, 0, False)
    assert whole(DaemonSetStatus(collision_count=1), unless_zero=COLLISIONS)[COLLISIONS] == 1
    assert whole(StatefulSetStatus())[COLLISIONS] == 0, "upstream's controller of StatefulSets always tells it"
