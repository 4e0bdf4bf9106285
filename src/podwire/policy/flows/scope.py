"""Which connections are recorded where no namespace says otherwise."""

from typing import Literal

Scope = Literal["dropped", "all"]
"""Only those that policies drop, or admitted ones too."""
