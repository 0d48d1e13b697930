"""MealQuest: stored-value wallets, smart payment deduction and payment recovery for merchants."""

__version__ = "0.1.0"
