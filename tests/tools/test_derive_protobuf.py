"""The table of field numbers, derived again from the kubectl that is installed here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tools.derive_protobuf import definition_name, fields, members
from tools.derive_protobuf import messages as derive
from tools.go_source import Source
from tools.go_types import Program

from podwire.apiserver.bodies.protobuf import messages
from podwire.apiserver.bodies.protobuf.messages import Field, Holds, Shape

KUBECTL = Path(__file__).parents[2] / ".venv/bin/kubectl"


@pytest.fixture(scope="module")
def program() -> Program:
    return Program(KUBECTL)


def test_a_kind_and_all_that_it_holds_is_what_the_package_has(program: Program) -> None:
    found = derive(program, ["io.k8s.api.core.v1.Pod"])
    assert len(found) > 100
    assert "io.k8s.api.core.v1.ProbeHandler" in found
    for name, message in found.items():
        assert message == messages.message(name)


def test_fields_of_every_shape(program: Program) -> None:
    secret = derive(program, ["io.k8s.api.core.v1.Secret"])["io.k8s.api.core.v1.Secret"]
    assert secret[2] == Field("data", Holds.BYTES, Shape.MAP)
    assert secret[3] == Field("type", Holds.TEXT, Shape.ONE, zero_is_absent=True)
    assert secret[5] == Field("immutable", Holds.TRUTH, Shape.ONE)
    review = derive(program, ["io.k8s.api.authentication.v1.UserInfo"])["io.k8s.api.authentication.v1.UserInfo"]
    assert review[3] == Field("groups", Holds.TEXT, Shape.LIST)
    assert review[4] == Field("extra", Holds.TEXTS, Shape.MAP)


def test_the_archive_has_a_file_for_each_package(program: Program) -> None:
    found = members(derive(program, ["io.k8s.api.core.v1.Binding"]))
    assert found["io.k8s.api.core.v1.json"]["io.k8s.api.core.v1.Binding"]["1"][0] == "metadata"


def test_names_of_definitions() -> None:
    name = "k8s.io/apimachinery/pkg/apis/meta/v1.Time"
    assert definition_name(name) == "io.k8s.apimachinery.pkg.apis.meta.v1.Time"


def test_a_kind_that_the_program_lacks(program: Program) -> None:
    with pytest.raises(KeyError, match="Toaster"):
        derive(program, ["io.k8s.api.core.v1.Toaster"])


def test_a_file_that_is_no_such_program_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh")
    with pytest.raises(ValueError, match="is not a 64-bit ELF file"):
        Program(script)
    with pytest.raises(ValueError, match="not a program of Go"):
        Program(Path(sys.executable))


SOURCE = """package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

type Colour string

type Wheels []Wheel

type Nothing struct{}

// Car has every shape.
type Car struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`
	// Colour has a comment.
	Colour Colour `json:"colour,omitempty" protobuf:"bytes,2,opt,name=colour,casttype=Colour"`
	Wheels Wheels `json:"wheels" protobuf:"bytes,3,rep,name=wheels"`
	Length *float64 `json:"length,omitempty" protobuf:"bytes,4,opt,name=length"`
	Parts map[string]Nothing `json:"parts,omitempty" protobuf:"bytes,5,rep,name=parts"`
	UID types.UID `json:"uid" protobuf:"bytes,6,opt,name=uid"`
	Key []byte `json:"key" protobuf:"bytes,7,opt,name=key"`
}

type Wheel struct {
	Round bool `protobuf:"varint,1,opt,name=round"`
}
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    file = tmp_path / "types.go"
    file.write_text(SOURCE)
    return Source("example.com/cars/v1", [file])


def test_a_package_s_source_has_the_same_fields(source: Source) -> None:
    car = fields(source, "Car")
    assert car == {
        1: Field("metadata", Holds.MESSAGE, message="io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
        2: Field("colour", Holds.TEXT, zero_is_absent=True),
        3: Field("wheels", Holds.MESSAGE, Shape.LIST, message="com.example.cars.v1.Wheel"),
        4: Field("length", Holds.DOUBLE),
        5: Field("parts", Holds.MESSAGE, Shape.MAP, message="com.example.cars.v1.Nothing"),
        6: Field("uid", Holds.TEXT),
        7: Field("key", Holds.BYTES),
    }
    assert fields(source, "Wheel") == {1: Field("round", Holds.TRUTH)}
    assert fields(source, "Nothing") == {}


def test_a_type_that_is_not_in_the_source_is_refused(source: Source) -> None:
    with pytest.raises(ValueError, match="Lorry is not known"):
        source.kind("Lorry")
