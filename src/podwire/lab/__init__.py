"""A world on one machine. Rooms are named for the process that runs them; each says what may not be imported there."""
