"""Trigger, condition, action: what the shop gives by itself, within limits that hold."""
