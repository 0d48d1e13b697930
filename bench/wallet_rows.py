"""Rows for the wallet's lists, written by the database itself, and what is asked of them."""

FILL_LEDGER = """
INSERT INTO ledger_entries (merchant_id, id, kind, reference, customer_id, amount_minor, currency,
                            details, created_at)
SELECT %(m)s, 'txn_' || lpad(n::text, 26, '0'),
       CASE WHEN n %% 20000 = 0 THEN 'GATEWAY_REFUND' WHEN n %% 500 = 1 THEN 'BONUS_EXPIRY'
            WHEN n %% 10 = 0 THEN 'TOP_UP' ELSE 'PAYMENT' END,
       'txn_' || lpad(n::text, 26, '0'), 'u_' || lpad((1 + n %% %(customers)s)::text, 9, '0'),
       5200, 'CNY', '{"quote": {"orderAmount": 52, "payable": 0}}',
       now() - (%(rows)s - n) * interval '30 s'
  FROM generate_series(1, %(rows)s) n
"""
FILL_POSTINGS = """
INSERT INTO ledger_postings (merchant_id, entry_id, line, source, destination, amount_minor)
SELECT %(m)s, 'txn_' || lpad(n::text, 26, '0'), 1,
       CASE WHEN n %% 10 = 0 THEN 'outside:cash'
            ELSE 'wallet:u_' || lpad((1 + n %% %(customers)s)::text, 9, '0') || ':principal' END,
       CASE WHEN n %% 10 = 0
            THEN 'wallet:u_' || lpad((1 + n %% %(customers)s)::text, 9, '0') || ':principal'
            ELSE 'merchant:sales' END, 5200
  FROM generate_series(1, %(rows)s) n
"""
FILL_TOP_UPS = """
INSERT INTO top_ups (merchant_id, id, customer_id, entry_id, amount_minor, bonus_minor, method,
                     note, taken_by, created_at)
SELECT %(m)s, 'topup_' || lpad(n::text, 26, '0'),
       'u_' || lpad((1 + n %% %(customers)s)::text, 9, '0'), 'txn_' || lpad(n::text, 26, '0'),
       10000, 500,
       CASE WHEN n %% 20000 = 0 THEN 'OTHER' WHEN n %% 3 = 0 THEN 'CASH' ELSE 'CARD' END,
       '', 'staff_' || (n %% 12), now() - (%(rows)s - n) * interval '30 s'
  FROM generate_series(1, %(rows)s) n
"""
FILL_VOUCHERS = """
INSERT INTO vouchers (merchant_id, id, customer_id, type, name, value_minor, min_spend_minor,
                      status, expires_at, granted_by, created_at)
SELECT %(m)s, 'voucher_' || lpad(n::text, 26, '0'),
       'u_' || lpad((1 + n %% %(customers)s)::text, 9, '0'),
       CASE WHEN n %% 20000 = 0 THEN 'NO_THRESHOLD_VOUCHER' ELSE 'ITEM_WARRANT' END,
       'Soup', 1800, 0,
       CASE WHEN n > %(rows)s * 0.9 THEN 'ACTIVE' WHEN n %% 5000 = 0 THEN 'HELD'
            WHEN n %% 3 = 0 THEN 'EXPIRED' ELSE 'USED' END,
       now() + (n - %(rows)s * 0.9) * interval '30 s', 'staff:staff_1',
       now() - (%(rows)s - n) * interval '30 s'
  FROM generate_series(1, %(rows)s) n
"""
FILL_WALLETS = """
INSERT INTO wallets (merchant_id, customer_id, currency, principal_minor)
SELECT %(m)s, 'u_' || lpad(n::text, 9, '0'), 'CNY', n %% 3 FROM generate_series(1, %(customers)s) n
"""
FILLS = (FILL_LEDGER, FILL_POSTINGS, FILL_TOP_UPS, FILL_VOUCHERS, FILL_WALLETS)
TABLES = ("ledger_entries", "ledger_postings", "top_ups", "vouchers", "wallets", "customers")

CASES = {
    "ledger JSON, newest": "/api/payment/ledger",
    "ledger JSON, 100 rows": "/api/payment/ledger?limit=100",
    "ledger JSON, oldest": "/api/payment/ledger?order=oldest",
    "ledger JSON, kind PAYMENT": "/api/payment/ledger?type=PAYMENT",
    "ledger JSON, kind TOP_UP": "/api/payment/ledger?type=TOP_UP",
    "ledger JSON, rare kind": "/api/payment/ledger?type=GATEWAY_REFUND",
    "ledger JSON, kind that never was": "/api/payment/ledger?type=OPENING",
    "ledger JSON, one customer": "/api/payment/ledger?userId=u_000000007",
    "ledger JSON, customer and kind": "/api/payment/ledger?userId=u_000000007&type=REFUND",
    "ledger JSON, a balance": "/api/payment/ledger?userId=u_000000007&bucket=principal",
    "ledger JSON, one day": "/api/payment/ledger?fromDay={day}&toDay={day}",
    "ledger page, newest": "/console/ledger",
    "ledger page, a balance": "/console/ledger?userId=u_000000007&bucket=principal",
    "top-ups JSON, newest": "/api/wallet/top-ups",
    "top-ups JSON, method": "/api/wallet/top-ups?method=CARD",
    "top-ups JSON, rare method": "/api/wallet/top-ups?method=OTHER",
    "top-ups JSON, one customer": "/api/wallet/top-ups?userId=u_000000007",
    "top-ups JSON, who took them": "/api/wallet/top-ups?takenBy=staff_7",
    "top-ups JSON, who and method that never was": (
        "/api/wallet/top-ups?takenBy=staff_7&method=TRANSFER"
    ),
    "top-ups JSON, one day": "/api/wallet/top-ups?fromDay={day}&toDay={day}",
    "top-ups page, today's sums": "/console/top-ups",
    "top-ups page, sums of one day": "/console/top-ups?fromDay={day}&toDay={day}",
    "vouchers JSON, usable": "/api/vouchers",
    "vouchers JSON, usable, latest": "/api/vouchers?order=latest",
    "vouchers JSON, used, latest": "/api/vouchers?status=USED&order=latest",
    "vouchers JSON, held": "/api/vouchers?status=HELD",
    "vouchers JSON, expired": "/api/vouchers?status=EXPIRED&order=latest",
    "vouchers JSON, all": "/api/vouchers?status=ALL",
    "vouchers JSON, rare kind": "/api/vouchers?type=NO_THRESHOLD_VOUCHER&status=ALL",
    "vouchers JSON, kind that never was": "/api/vouchers?type=DISCOUNT_CARD&status=ALL",
    "vouchers JSON, one customer": "/api/vouchers?userId=u_000000007&status=ALL",
    "vouchers JSON, one day": "/api/vouchers?status=ALL&fromDay={day}&toDay={day}",
    "vouchers page, usable": "/console/vouchers",
    "wallets page": "/console/wallets",
    "customers JSON, newest": "/api/customers",
    "customers page, newest": "/console/customers",
}
