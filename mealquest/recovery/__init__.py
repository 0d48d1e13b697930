"""Recovery of failed payments, by theme, in the order in which money comes back:

- Stripe's edge: `gateway`, `stripe_objects`; a merchant's account: `connecting`, `connect`,
  `billing`, `plans`, `merchants`, `erase`
- events: `signature`, `events`, `webhooks`, `routing`, `plan_events`, `deauthorized`, `attempts`;
  what was never delivered: `reconcile`, `found`
- invoices in recovery: `cases`, `case_pages`; recovered money: `recovered`; sums: `usage`,
  `figures`
- the queue: `tasks`, `queue_queries`, `working`, `running`, `chains`, `janitor`
- reminders: `declines`, `schedule`, `planning`, `dunning`, `reminders`, `letters`, `mailing`,
  `resend_gateway`; by hand: `charging`, `networks`, `methods`; a merchant's own: `sequence`,
  `own_words`, `words`
- the payer's side: `payer_links`, `payer`, `tracking`, `suppressions`
- `metering`, `digest`, `dashboard`, `overview`, `activity`, `usage_page`
"""
