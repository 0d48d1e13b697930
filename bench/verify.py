"""`make bench`: verifies per second over HTTP, beside PostgreSQL doing the same by itself.

Starts a product of its own; generator and database share the machine with it.
"""

import argparse
import datetime
import os
import platform
import sys
from pathlib import Path

from bench.clients import Result, drive
from bench.pgbench import script_of, transactions_per_second
from bench.shop import Shop, open_shop

CLIENTS = (1, 16, 64)
STORED = (10_000, 100_000)


def main() -> None:
    arguments = _arguments()
    print(_machine(), flush=True)
    with open_shop() as shop:
        _print_statements(shop)
        script = shop.home / "verify.pgbench"
        script.write_text(script_of(shop))
        drive(shop.address, shop.requests(), 16, 2)  # what is read once is read now
        _print_load(shop, script, arguments.seconds, arguments.runs)
        for stored in STORED if not arguments.short else ():
            _print_with_stored(shop, stored, arguments.seconds, arguments.runs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="of each kind; the best counts")
    parser.add_argument("--short", action="store_true", help="leave out the stored payments")
    return parser.parse_args()


def _machine() -> str:
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"{today}, {os.cpu_count()} cores ({_processor()}), Python {platform.python_version()}, "
        f"generator and database on the same cores, load {os.getloadavg()[0]:.1f} before"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _print_statements(shop: Shop) -> None:
    counts = [len(statements) for statements in shop.one_verify]
    print(f"statements of one verify, by transaction: {counts}, beside BEGIN and COMMIT\n")


def _print_load(shop: Shop, script: Path, seconds: int, runs: int) -> None:
    print("clients  verifies/s  p50 ms  p99 ms  errors  CPU ms of one verify")
    for clients in CLIENTS:
        best = _best(shop, clients, seconds, runs)
        alone = max(transactions_per_second(shop, script, clients, seconds) for _ in range(runs))
        print(_line(best))
        print(
            f"         {alone:10.0f}  of pgbench; ratio {best.per_second / alone:.2f}", flush=True
        )


def _print_with_stored(shop: Shop, stored: int, seconds: int, runs: int) -> None:
    shop.store(stored)
    print(f"\nwith {shop.stored()} payments stored\n{_line(_best(shop, 16, seconds, runs))}")


def _best(shop: Shop, clients: int, seconds: int, runs: int) -> Result:
    """The best of several runs: others use the machine too."""
    tries = [_run(shop, clients, seconds) for _ in range(runs)]
    if any(result.errors for result in tries):
        sys.exit(f"not all were answered 200: {[dict(result.statuses) for result in tries]}")
    return max(tries, key=lambda result: result.per_second)


def _run(shop: Shop, clients: int, seconds: int) -> Result:
    shop.settle()
    before = shop.cpu_seconds()
    result = drive(shop.address, shop.requests(), clients, seconds)
    result.cpu |= {name: used - before[name] for name, used in shop.cpu_seconds().items()}
    return result


def _line(result: Result) -> str:
    p50, p99 = (result.percentile(share) * 1000 for share in (0.5, 0.99))
    each = {name: used / len(result.latencies) * 1000 for name, used in result.cpu.items()}
    cpu = ", ".join(f"{name} {ms:.2f}" for name, ms in each.items())
    return (
        f"{result.clients:7}  {result.per_second:10.0f}  {p50:6.1f}  {p99:6.1f}  "
        f"{result.errors:6}  {cpu}"
    )


if __name__ == "__main__":
    main()
