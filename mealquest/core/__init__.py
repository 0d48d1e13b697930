"""What every feature stands on: settings, transactions, money, time, ids, errors, keys."""
