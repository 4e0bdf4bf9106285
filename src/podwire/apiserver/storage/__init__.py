"""Objects in memory with their history, made durable in SQLite before a write is acknowledged."""
