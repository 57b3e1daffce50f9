"""The file's models as values: each target names a backend that is there, no fallback leads round.

A name that ends in "*" stands for all that begin like it.
"""

import graphlib
from collections.abc import Collection, Iterator, Mapping

import msgspec

from gateway.config import prices, schema, written
from gateway.config.faults import Path, nearest, shortened
from gateway.config.findings import Findings

MAX_CYCLES = 10  # told at once
MAX_SHOWN_WAY = 300  # characters of a cycle
_OWN = ("model", "stream")  # fields that the gateway itself decides on


class _Models:
    def __init__(
        self, file: written.File, backends: Mapping[str, schema.Backend], findings: Findings
    ) -> None:
        self._file = file
        self._backends = backends
        self._findings = findings
        # A backend that could not be read is there all the same.
        self._backend_names = findings.names(("backends",))
        self._model_names = findings.names(("models",))

    def all(self) -> dict[str, schema.Model]:
        models = {}
        for name, model in self._file.models.items():
            path: Path = ("models", name)
            if "*" in name[:-1]:
                self._findings.blame_name(path, "a '*' may stand at the end of the name only")
            if isinstance(model, str):
                models[name] = self._short(name, model, path)
            else:
                models[name] = self._long(name, model, path)
        return models

    def _short(self, name: str, use: str, path: Path) -> schema.Model:
        target = self._target(name, written.Target(use=use), path)
        return self._with_sections(name, written.Model(targets=()), [target] if target else [])

    def _long(self, name: str, model: written.Model, path: Path) -> schema.Model:
        targets = []
        for at, one in self._findings.items((*path, "targets"), written.Target):
            target = self._target(name, one, (*at, "use"))
            if target is not None:
                targets.append(target)
        for tier in sorted({target.tier for target in targets}):
            if not any(target.weight for target in targets if target.tier == tier):
                message = f"all targets of tier {tier} have weight 0; one needs more"
                self._findings.blame_at((*path, "targets"), message)
        if model.strategy == "cheapest" and not any(map(self._priced, targets)):
            message = "none of the targets has a price to be compared by; give some in `prices`"
            self._findings.blame_at((*path, "strategy"), message)
        for part, fields in (("defaults", model.defaults), ("force", model.force)):
            for field in _OWN:
                if field in fields:
                    message = f"{field!r} is the gateway's own affair and cannot be set here"
                    self._findings.blame_at((*path, part, field), message)
        return self._with_sections(name, model, targets)

    def _priced(self, target: schema.Target) -> bool:
        said, backend = self._file.prices, self._file.backends[target.backend]
        if f"{target.backend}/{target.model}" in said or f"{target.backend}/*" in said:
            return True
        return prices.builtin().price(backend.provider, target.model) is not None

    def _target(self, name: str, target: written.Target, use: Path) -> schema.Target | None:
        backend, slash, upstream_model = target.use.partition("/")
        if not (backend and slash and upstream_model):
            shown = self._findings.quoted(use, target.use)
            self._findings.blame_at(use, f"must be backend/model, and {shown} is not")
            return None
        if backend not in self._backend_names:
            shown = self._findings.quoted(use, backend)
            hint = nearest(backend, self._backend_names)
            self._findings.blame_at(use, f"unknown backend {shown}{hint}")
            return None
        if upstream_model == "*" and not name.endswith("*"):
            message = "the model may be '*' only where our own name ends in '*'"
            self._findings.blame_at(use, message)
        return schema.Target(
            backend=backend,
            model=upstream_model,
            weight=target.weight,
            tier=target.tier,
            template=target.template,
            stops=target.stops,
        )

    def _with_sections(
        self, name: str, model: written.Model, targets: list[schema.Target]
    ) -> schema.Model:
        file = self._file
        return schema.Model(
            name=name,
            targets=tuple(self._in_force(name, model, target) for target in targets),
            strategy=model.strategy,
            attempts=self._attempts(name, model, file.attempts),
            timeouts=self._timeouts(name, model, file.timeouts),
            fallbacks={
                cause: names
                for cause, names in msgspec.structs.asdict(model.fallbacks).items()
                if names
            },
            defaults=model.defaults,
            force=model.force,
            untranslatable=model.untranslatable,
            cache=self._findings.over(file.cache, model.cache, ("models", name, "cache")),
            circuit=self._findings.over(file.circuit, model.circuit, ("models", name, "circuit")),
            hedging=model.hedging,
            continuation=model.continuation,
            sticky=model.sticky,
            shadow=self._shadow(name, model),
            limits=model.limits,
            budget=model.budget,
        )

    def _shadow(self, name: str, model: written.Model) -> schema.Shadow | None:
        shadow = model.shadow
        if shadow is None:
            return None
        target = self._target(
            name, written.Target(use=shadow.use), ("models", name, "shadow", "use")
        )
        if target is None:
            return None
        return schema.Shadow(
            target=self._in_force(name, model, target),
            ratio=shadow.ratio,
            max_in_flight=shadow.max_in_flight,
        )

    def _in_force(self, name: str, model: written.Model, target: schema.Target) -> schema.Target:
        backend = self._backends.get(target.backend)
        if backend is None:  # it could not be read, so nothing will come of the file
            return target
        over = self._findings.over
        return msgspec.structs.replace(
            target,
            attempts=self._attempts(name, model, backend.attempts),
            timeouts=self._timeouts(name, model, backend.timeouts),
            circuit=over(backend.circuit, model.circuit, ("models", name, "circuit")),
            cache=over(backend.cache, model.cache, ("models", name, "cache")),
        )

    def _attempts(self, name: str, model: written.Model, base: schema.Attempts) -> schema.Attempts:
        if isinstance(model.attempts, int):
            return msgspec.structs.replace(base, max=model.attempts)
        return self._findings.over(base, model.attempts, ("models", name, "attempts"))

    def _timeouts(self, name: str, model: written.Model, base: schema.Timeouts) -> schema.Timeouts:
        timeouts = self._findings.over(base, model.timeouts, ("models", name, "timeouts"))
        if model.deadline_s is None:
            return timeouts
        return msgspec.structs.replace(timeouts, total_s=model.deadline_s)

    def check_fallbacks(self) -> None:
        """Each is a model that is there, and none leads back to where it began."""
        leads: dict[str, dict[str, Path]] = {name: {} for name in self._model_names}
        for name, path, fallback in self._fallbacks():
            declared = _declared(fallback, self._model_names)
            if fallback.endswith("*"):
                self._findings.blame_at(path, "must name one model, without '*'")
            elif declared is None:
                shown = self._findings.quoted(path, fallback)
                hint = nearest(fallback, self._model_names)
                self._findings.blame_at(path, f"unknown model {shown}{hint}")
            else:
                leads[name].setdefault(declared, path)
        for _ in range(MAX_CYCLES):
            cycle = _cycle(leads)
            if cycle is None:
                return
            path = leads[cycle[0]].pop(cycle[1])
            way = shortened(" → ".join(cycle), MAX_SHOWN_WAY)
            self._findings.blame_at(path, f"the fallbacks lead round: {way}")

    def _fallbacks(self) -> Iterator[tuple[str, Path, str]]:
        for name in self._model_names:
            for cause in written.Fallbacks.__struct_fields__:
                path: Path = ("models", name, "fallbacks", cause)
                for at, fallback in self._findings.items(path, str):
                    yield name, at, fallback


def resolved(
    file: written.File, backends: Mapping[str, schema.Backend], findings: Findings
) -> dict[str, schema.Model]:
    models = _Models(file, backends, findings)
    resolved = models.all()
    models.check_fallbacks()
    return resolved


def _declared(name: str, names: Collection[str]) -> str | None:
    """The declared name that serves this one: itself, else the longest that ends in "*"."""
    if name in names:
        return name
    fitting = [one for one in names if one.endswith("*") and name.startswith(one[:-1])]
    return max(fitting, key=len, default=None)


def _cycle(leads: Mapping[str, Collection[str]]) -> list[str] | None:
    """Names in the order they lead to each other, the first again at the end."""
    try:
        graphlib.TopologicalSorter(leads).prepare()
    except graphlib.CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle[::-1]  # it tells them from the one led to
    return None
