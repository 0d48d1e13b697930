"""For whoever runs the product: health, metrics, the development outbox, API documentation."""
