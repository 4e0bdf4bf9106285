"""Gateway API: its kinds as values, which of them are in use, their status, and the model of them. Pure."""
