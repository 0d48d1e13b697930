"""What lets MealQuest start on a machine with nothing installed."""
