"""Structured logs of a program on standard error: text for people, JSON for collectors.

JSON lines have the fields of k8s.io/component-base `logs/json`: `ts` (milliseconds since 1970), `level`, `logger`,
`msg`, and `error` with a traceback.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Literal

LogFormat = Literal["text", "json"]

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = {
            "ts": round(record.created * 1000, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(form: LogFormat = "text", verbosity: int = 0) -> None:
    """Log to standard error. Verbosity 0: INFO; 1: DEBUG of podwire; 2: DEBUG of everything."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=logging.DEBUG if verbosity > 1 else logging.INFO, handlers=[handler], force=True)
    logging.getLogger("podwire").setLevel(logging.DEBUG if verbosity else logging.NOTSET)
