"""Strategies: the template library, the chat with the model, proposals and their review."""
