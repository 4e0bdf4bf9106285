"""Values and rules that every room shares: requests, Status errors, field paths, formats of names and numbers."""
