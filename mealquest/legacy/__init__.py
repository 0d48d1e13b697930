"""The old MealQuest server: its state document, brought into the tables once."""
