import msgspec
import pytest

from podwire.kube.apps import Deployment, scaled


@pytest.mark.parametrize(
    ("value", "total", "up", "down"),
    [(2, 10, 2, 2), ("25%", 10, 3, 2), ("0%", 10, 0, 0), ("100%", 3, 3, 3), ("25%", 0, 0, 0)],
)
def test_a_share_is_rounded_in_the_given_direction(value: int | str, total: int, up: int, down: int) -> None:
    assert scaled(value, total, round_up=True) == up
    assert scaled(value, total, round_up=False) == down


def test_text_without_a_percent_sign_is_refused() -> None:
    with pytest.raises(ValueError, match="neither a number nor a percentage"):
        scaled("5", 10, round_up=True)


def test_a_template_keeps_fields_that_podwire_does_not_name() -> None:
    text = b'{"spec":{"template":{"metadata":{"labels":{"a":"b"}},"spec":{"priority":7}}}}'
    template = msgspec.json.decode(text, type=Deployment).spec.template
    assert template.labels == {"a": "b"}
    assert template.spec == {"priority": 7}
