"""A log that can be read back."""

import json
import tempfile
from typing import Any

from gateway.telemetry.logs import Log


class Written:
    """Reading it closes it; who does not read it closes it."""

    def __init__(self, *, level: str = "info", form: str = "json") -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - close()
        self.log = Log(self._file.fileno(), level=level, form=form)

    def close(self) -> None:
        self.log.close()
        self._file.close()

    def text(self) -> str:
        self.log.close()
        self._file.seek(0)
        found = self._file.read().decode()
        self._file.close()
        return found

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.text().splitlines()]
        return found if event is None else [line for line in found if line["event"] == event]
