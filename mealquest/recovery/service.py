"""Recovery of failed payments, for the rest of MealQuest."""

from mealquest.recovery import chains, digest, dunning, metering, reconcile
from mealquest.recovery.checks import CHECKS
from mealquest.recovery.janitor import tend
from mealquest.recovery.queue_figures import Figure, Parked, by_merchant, by_type, counts, parked
from mealquest.recovery.queue_metrics import measure
from mealquest.recovery.queue_queries import BATCH
from mealquest.recovery.task_acts import delete as delete_task
from mealquest.recovery.task_acts import retry as retry_task
from mealquest.recovery.tasks import BELL, NewTask, enqueue, has_due
from mealquest.recovery.working import next_batch, rescue, work
from mealquest.tenancy import service as tenancy

__all__ = [
    "BATCH",
    "BELL",
    "CHECKS",
    "Figure",
    "NewTask",
    "Parked",
    "by_merchant",
    "by_type",
    "counts",
    "delete_task",
    "enqueue",
    "has_due",
    "measure",
    "next_batch",
    "parked",
    "rescue",
    "retry_task",
    "tend",
    "work",
]

# Their processors are known once they are imported.
PROCESSED_BY = (dunning, metering, digest, reconcile)

tenancy.tell_of_emails(chains.email_was_set)
