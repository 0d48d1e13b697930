"""Partners, the orders their customers paid, and the one use a shop makes of each."""
