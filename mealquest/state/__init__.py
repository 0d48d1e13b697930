"""Everything an app shows at a glance, in one answer."""
