"""Web servers, workers of recovery and schedulers, each a process of its own over one database."""

from flask import Flask

from mealquest.engines.processes import choose_port
from tests.product.running import ROOT, Running, flask, until

SCHEDULERS, WEB_SERVERS = 2, 2
GUNICORN = ("-m", "gunicorn", "-c", ROOT / "gunicorn.conf.py", "app:app")


class Crew:
    """What runs of the product: any number of each kind, all ended by `close`."""

    def __init__(self, app: Flask, **settings: object) -> None:
        self._bells = app.extensions["bells"]
        self._settings = settings | {
            "MQ_DB_URL": app.config["MIGRATION_URL"],
            "MQ_REDIS_URL": self._bells._url,
        }
        ports = [choose_port(None) for _ in range(WEB_SERVERS)]
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self.webs = [Running(*GUNICORN, PORT=port, **self._settings) for port in ports]
        self.schedulers = [flask("scheduler", **self._settings) for _ in range(SCHEDULERS)]
        self.workers: list[Running] = []
        self.dead: list[Running] = []

    def hire(self, count: int) -> None:
        for _ in range(count):
            self.workers.append(flask("worker", "--queue", "recovery", **self._settings))

    def until_ready(self) -> None:
        for web, url in zip(self.webs, self.urls, strict=True):
            web.until_it_answers(f"{url}/api/health")
        until(self._all_listen, "every worker listens", 60)
        until(lambda: self._lead() == [False, True], "one scheduler leads, one stands by", 60)

    def kill(self, pids: set[int]) -> None:
        self.dead += [one for one in self.workers if one.process.pid in pids]
        self.workers = [one for one in self.workers if one not in self.dead]
        for one in self.dead:
            one.end()

    def close(self) -> None:
        """Ask all to stop, which they do well."""
        self.until_ready()  # before that a signal ends a process without a word
        alive = [*self.workers, *self.schedulers, *self.webs]
        for one in alive:
            one.process.terminate()
        assert {one.ended() for one in alive} == {0}
        assert not [one.err for one in alive if "Traceback" in one.out + one.err]

    def end(self) -> None:
        for one in [*self.workers, *self.schedulers, *self.webs]:
            one.end()

    def _all_listen(self) -> bool:
        known = self._bells.connection
        keys = [key for key in known.keys("rq:worker:*") if b":" not in key[10:]]
        states = {known.hget(key, "pid"): known.hget(key, "state") for key in keys}
        named = [states.get(str(one.process.pid).encode()) for one in self.workers]
        return {*named} <= {b"idle", b"busy"}

    def _lead(self) -> list[bool]:
        said = [one.out + one.err for one in self.schedulers]
        return sorted("tick leads" in one for one in said if "tick " in one)
