"""No-op tasks through procrastinate or pgqueuer, for `bench.queue`; runs in an environment of its
own, so nothing of the product is imported.

`python queue_peers.py procrastinate|pgqueuer URL PROCESSES`
"""

import asyncio
import multiprocessing
import sys
import time

TASKS = {"procrastinate": 4_000, "pgqueuer": 60_000}
BATCH = 20
CONCURRENCY = 10


def main(peer: str, url: str, processes: int) -> None:
    count, fill, work = {
        "procrastinate": (TASKS["procrastinate"], fill_procrastinate, work_procrastinate),
        "pgqueuer": (TASKS["pgqueuer"], fill_pgqueuer, work_pgqueuer),
    }[peer]
    asyncio.run(fill(url, count))
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(processes), context.Queue()
    started = [
        context.Process(target=process, args=(work, url, start, answers)) for _ in range(processes)
    ]
    for each in started:
        each.start()
    found = [answers.get(timeout=600) for _ in started]
    for each in started:
        each.join()
    seconds = max(f[1] for f in found) - min(f[0] for f in found)
    done = sum(f[2] for f in found)
    print(f"{peer}, {processes} processes".ljust(44), f"{done / seconds:>9,.0f}/s  ({done} done)")


def process(work, url, start, answers) -> None:
    start.wait(60)
    answers.put(asyncio.run(work(url)))


def application(url: str):
    import procrastinate

    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, max_size=12))
    done = [0, 0.0]

    @app.task(name="nothing")
    async def nothing() -> None:
        done[0] += 1
        done[1] = time.time()

    return app, nothing, done


async def fill_procrastinate(url: str, count: int) -> None:
    app, nothing, _ = application(url)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await nothing.batch_defer_async(*({} for _ in range(count)))


async def work_procrastinate(url: str):
    app, _, done = application(url)
    async with app.open_async():
        began = time.time()
        await app.run_worker_async(
            wait=False, concurrency=CONCURRENCY, install_signal_handlers=False, listen_notify=False
        )
    return began, done[1] or time.time(), done[0]


async def fill_pgqueuer(url: str, count: int) -> None:
    import asyncpg
    from pgqueuer.queries import Queries

    connection = await asyncpg.connect(url)
    queries = Queries.from_asyncpg_connection(connection)
    await queries.install()
    for _ in range(0, count, 1000):
        await queries.enqueue(["nothing"] * 1000, [None] * 1000, [0] * 1000)
    await connection.close()


async def work_pgqueuer(url: str):
    import asyncpg
    from pgqueuer import PgQueuer
    from pgqueuer.types import QueueExecutionMode

    connection = await asyncpg.connect(url)
    queuer = PgQueuer.from_asyncpg_connection(connection)
    done = [0, 0.0]

    @queuer.entrypoint("nothing")
    async def nothing(job) -> None:
        done[0] += 1
        done[1] = time.time()

    began = time.time()
    await queuer.run(batch_size=BATCH, mode=QueueExecutionMode.drain)
    await connection.close()
    return began, done[1] or time.time(), done[0]


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
