"""The protocol alone: frames in, requests and JSON out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.pods.attachment import AttachmentKey, PodIdentity
from podwire.pods.runtime import cni
from podwire.pods.runtime.cni import CniError, Code, Command


def frame(config: object, **variables: str) -> bytes:
    head = "\0".join(f"{name}={value}" for name, value in variables.items())
    return head.encode() + b"\0\0" + json.dumps(config).encode()


def test_an_add_is_read_whole() -> None:
    request = cni.decode(
        frame(
            {"cniVersion": "1.1.0", "name": "net", "unknown": {"kept": True}},
            CNI_COMMAND="ADD",
            CNI_CONTAINERID="abc",
            CNI_NETNS="/run/n",
            CNI_IFNAME="eth0",
            CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u1",
        )
    )
    assert request == cni.Request(
        Command.ADD, "1.1.0", AttachmentKey("abc", "eth0"), "/run/n", PodIdentity("shop", "web", "u1")
    )


def test_gc_reads_the_valid_attachments() -> None:
    config = {
        "cniVersion": "1.1.0",
        "name": "net",
        "cni.dev/valid-attachments": [{"containerID": "a", "ifname": "eth0"}],
    }
    assert cni.decode(frame(config, CNI_COMMAND="GC")).valid == {AttachmentKey("a", "eth0")}


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_cni_error(data: bytes) -> None:
    with pytest.raises(CniError):
        cni.decode(data)
    assert cni.version_of(data)


def test_errors_have_the_form_of_the_specification() -> None:
    text = cni.encode_error(CniError(Code.TRY_AGAIN_LATER, "later", "why"), "1.0.0")
    assert json.loads(text) == {"cniVersion": "1.0.0", "code": 11, "msg": "later", "details": "why"}
