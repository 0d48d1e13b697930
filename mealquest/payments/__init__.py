"""Smart deduction: quote an order, take it once, show what happened."""
