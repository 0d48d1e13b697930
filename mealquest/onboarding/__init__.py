"""A merchant's first minute, and the demo data: the places that fill several features at once."""
