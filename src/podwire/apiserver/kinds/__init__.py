"""The served kinds: names, verbs, schemas, conversions, columns and selectable fields."""
