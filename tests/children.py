"""Programs that a test starts beside itself."""

ENDS_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
"""Words before a command: kill -9 of the tests ends it too. The kernel remembers that across exec (prctl(2))."""
