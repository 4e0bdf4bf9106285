"""The page that shows the answer: markup, style and script are files beside it."""
