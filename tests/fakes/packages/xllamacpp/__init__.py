"""What the product uses of the package of this name, around a fake model on a real port."""

from types import SimpleNamespace
from typing import Any, ClassVar

from tests.fakes.model import ModelServer


class CommonParams:
    def __init__(self) -> None:
        self.model = SimpleNamespace(path="")
        self.cpuparams = SimpleNamespace(n_threads=-1)
        self.hostnames = ["0.0.0.0"]
        self.port = 8080
        self.api_keys: list[str] = []
        self.n_ctx = self.n_parallel = 0


class Server:
    loaded: ClassVar[list["Server"]] = []

    def __init__(self, params: Any) -> None:
        self.params, self.model = params, ModelServer().__enter__()
        self.loaded.append(self)

    @property
    def listening_address(self) -> str:
        return self.model.url.removesuffix("/v1")
