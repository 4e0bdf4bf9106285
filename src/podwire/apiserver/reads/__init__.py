"""get, list and watch: selectors, pages, tables and watch streams."""
