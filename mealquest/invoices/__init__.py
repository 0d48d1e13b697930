"""Invoices of settled payments, credit notes of their refunds, on paper and by mail."""
