"""What a change shows of an object that exists."""

from podwire.insight.connection.changes import without_status


def test_what_kubectl_and_a_server_add_is_left_out() -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    metadata = {"name": "a", "uid": "1", "annotations": {**applied, "team": "x"}}
    shown = without_status({"metadata": metadata, "spec": {"x": 1}, "status": {}})
    assert shown == {"metadata": {"name": "a", "annotations": {"team": "x"}}, "spec": {"x": 1}}
    assert without_status({"metadata": {"name": "a", "annotations": applied}}) == {
        "metadata": {"name": "a"},
        "spec": {},
    }
