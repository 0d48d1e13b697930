"""Only its place matters: the weights lie beside it."""

raise ImportError("this package needs others that nobody installed")
