"""Recovery of failed payments, for the rest of MealQuest."""

from mealquest.recovery.running import rescue, work
from mealquest.recovery.tasks import BELL, NewTask, enqueue, has_due

__all__ = ["BELL", "NewTask", "enqueue", "has_due", "rescue", "work"]
