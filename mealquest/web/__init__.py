"""The frame: one declared handler becomes a page, an HTMX fragment and a JSON route."""
