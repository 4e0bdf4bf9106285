"""What users choose about policies, as words of flags."""

from typing import Literal

Scope = Literal["dropped", "all"]
"""Which connections are recorded where no namespace has a setting: those that policies drop, or admitted ones too."""

OnEstablished = Literal["keep", "cut"]
"""What becomes of connections that policies forbid while they exist."""
