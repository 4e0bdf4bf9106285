import json
import logging

from podwire.component.logs import JsonFormatter


def test_a_json_line_has_the_fields_of_kubernetes_components() -> None:
    record = logging.LogRecord("podwire.x", logging.WARNING, "x.py", 1, "pod %s\nis gone", ("a",), None)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert (found["level"], found["logger"], found["msg"]) == ("warning", "podwire.x", "pod a\nis gone")
    assert abs(found["ts"] - record.created * 1000) < 1
    assert "error" not in found


def test_an_exception_is_in_the_line() -> None:
    error = ValueError("broken")
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "failed", (), (ValueError, error, None))
    found = json.loads(JsonFormatter().format(record))
    assert found["error"].endswith("ValueError: broken")
