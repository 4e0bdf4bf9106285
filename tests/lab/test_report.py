import msgspec

from podwire.lab.report import NodeLine, PodLine, PodReport, Status, text

POD = b"""{"metadata": {"name": "web-1", "namespace": "shop"}, "spec": {"nodeName": "node-1"},
"status": {"phase": "Running", "podIPs": [{"ip": "10.244.1.2"}], "containerStatuses": [
{"name": "a", "image": "nginx", "imageID": "podwire://stand-in/nginx"},
{"name": "b", "image": "busybox", "imageID": ""}]}}"""


def test_stand_ins_are_told_apart_from_real_programs() -> None:
    assert msgspec.json.decode(POD, type=PodReport).stand_ins == ("nginx",)


def test_the_text_labels_stand_ins() -> None:
    pods = (
        PodLine("shop", "web-1", "Running", "node-1", ("10.244.1.2",), ("nginx",)),
        PodLine("shop", "tool", "Pending", "", (), ()),
    )
    nodes = (NodeLine("node-1", ready=True, addresses=("172.18.0.2",), pods=2),)
    shown = text(Status("a", "podwire-a", "https://127.0.0.1:1", "direct", 7, "/k", nodes, pods))
    assert "shop/web-1  Running  node-1  10.244.1.2  stand-in for nginx" in shown
    assert "A stand-in answers" in shown
    assert "stand-in for" not in next(line for line in shown.splitlines() if "shop/tool" in line)
