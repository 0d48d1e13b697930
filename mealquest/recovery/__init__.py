"""Recovery of failed Stripe payments: connect, webhooks, tasks, dunning, metering, digests."""
