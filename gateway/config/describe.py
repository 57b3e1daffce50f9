"""The config described from its types: as a JSON Schema for editors, and as docs/configuration.md.

Both are committed, and a test compares them with what comes out here. To write them anew:
python -m gateway.config.describe schema > config.schema.json
python -m gateway.config.describe markdown > docs/configuration.md
"""

import json
import re
import sys
from collections.abc import Mapping

import msgspec
from msgspec import inspect

from gateway.config import schema, secret, waiting, written
from gateway.config.reader import described

# Which type, and what the docs call the place where it stands.
_CHAPTERS: tuple[tuple[type[msgspec.Struct], str], ...] = (
    (written.File, "The whole file"),
    (schema.Server, "server"),
    (schema.Shed, "server.shed"),
    (schema.Admin, "admin"),
    (schema.OnStoreError, "on_store_error"),
    (written.Tenant, "tenants.NAME"),
    (schema.Budget, "budget"),
    (written.Key, "keys"),
    (schema.Caps, "caps"),
    (schema.KeysFile, "keys_file"),
    (schema.Oidc, "oidc"),
    (schema.Limits, "limits"),
    (written.Backend, "backends.NAME"),
    (schema.Token, "token"),
    (schema.HealthCheck, "health_check"),
    (schema.Simulated, "A simulated backend"),
    (written.Model, "models.NAME"),
    (written.Target, "targets"),
    (written.Fallbacks, "fallbacks"),
    (schema.Sticky, "sticky"),
    (schema.Hedging, "hedging"),
    (schema.Continuation, "continuation"),
    (written.Shadow, "shadow"),
    (schema.Attempts, "attempts"),
    (schema.Timeouts, "timeouts"),
    (schema.Circuit, "circuit"),
    (schema.Cache, "cache"),
    (written.Price, "prices.NAME"),
    (written.PriceTier, "tiers"),
    (schema.Ledger, "ledger"),
    (schema.Logging, "logging"),
)
_HEADINGS = dict(_CHAPTERS)

_INTRODUCTION = """\
# The config file

<!-- Made by `python -m gateway.config.describe markdown`; change the types in gateway/config. -->

## The shortest that works

```yaml
backends:
  openai: {provider: openai, credential: "${OPENAI_API_KEY}"}
models:
  fast: openai/gpt-5-mini
```

`fast: openai/gpt-5-mini` reads: requests for the model `fast` go to backend `openai`, which calls
it `gpt-5-mini`. Switching a model is changing that one line, whatever vendor stands on either side.

## The same, grown up

```yaml
# yaml-language-server: $schema=config.schema.json
server: {listen: 0.0.0.0:8080}
keys:
  - {name: search-prod, tenant: search, key: "${SEARCH_KEY}", models: [fast, "smart*"]}
backends:
  openai: {provider: openai, credential: "file:/run/secrets/openai"}
  local: {provider: openai_compatible, base_url: "http://127.0.0.1:8000/v1"}
models:
  fast: openai/gpt-5-mini
  smart:
    targets:
      - {use: openai/gpt-5.6, weight: 9}
      - {use: local/llama-70b, weight: 1}
      - {use: local/llama-8b, tier: 2} # only when tier 1 cannot
    deadline_s: 120
    force: {temperature: 0}
  "lab/*": local/* # the rest of the name is passed on
```

## The rules

- One YAML file, taken whole or not at all. Every fault is told, with its line and dotted key.
- An unknown key is a fault, and the nearest known one is named. So is a key given twice.
- Units are in the names: `_s` seconds, `_bytes`, `usd`.
- `${NAME}` in a value is replaced from the environment. A variable that is not set, or empty, is a
  fault; `${NAME:-default}` says what stands in then, `${NAME:-}` that it may be empty. `$${` is a
  plain `${`. Names of keys are never replaced.
- `file:/path` reads a secret (`credential`, `token`, `key`) from a file, without its last line end.
- Numbers are decimal, the booleans are `true` and `false`. Where a text belongs, a text is what you
  wrote: a model may be called `1.5` or `on`.
- Without `keys`, callers are anonymous, and the gateway listens on loopback only.
- `attempts`, `timeouts`, `circuit` and `cache` may be repeated inside a backend or a model, whole
  or in part: the model's value wins over the backend's, and that over the file's.
- `--set KEY=VALUE` on the command line replaces one value by its dotted key:
  `--set server.listen=127.0.0.1:0`, `--set 'models."gpt-5.6".targets[0].weight=3'`.
- At most 1 MiB, nested at most 20 deep, with at most 100 anchors and aliases; no tags
  and no merge keys.
- `config.schema.json` is the JSON Schema of this file, for editors.
"""

JsonSchema = dict[str, object]


# The JSON Schema.


def json_schema() -> JsonSchema:
    """Draft 2020-12. Says which keys and values there may be, not how they fit together."""
    definitions: dict[str, object] = {
        "Reference": {
            "type": "string",
            "pattern": r"\$\{",
            "description": "A value out of the environment: ${NAME} or ${NAME:-default}.",
        }
    }
    whole = _of_struct(described(written.File), definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The config of the gateway",
        **whole,
        "$defs": dict(sorted(definitions.items())),
    }


def _of_struct(kind: inspect.StructType, definitions: dict[str, object]) -> JsonSchema:
    properties: dict[str, object] = {}
    for field in kind.fields:
        properties[field.name] = _of(field.type, definitions)
    required = [field.name for field in kind.fields if field.required]
    return {
        "type": "object",
        "description": _sentence(kind.cls),
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _of(kind: inspect.Type, definitions: dict[str, object]) -> JsonSchema:
    match kind:
        case inspect.Metadata():
            return {**_of(kind.type, definitions), **(kind.extra_json_schema or {})}
        case inspect.StructType(cls=schema.Address) | inspect.CustomType(cls=secret.Secret):
            return {"type": "string"}
        case inspect.StructType(cls=cls):
            if cls.__name__ not in definitions:
                definitions[cls.__name__] = {}  # it may be met again on the way down
                definitions[cls.__name__] = _of_struct(kind, definitions)
            return {"$ref": f"#/$defs/{cls.__name__}"}
        case inspect.UnionType():
            return {"anyOf": _flat([_of(one, definitions) for one in kind.types])}
        case inspect.DictType():
            values = _of(kind.value_type, definitions)
            return {"type": "object", "additionalProperties": values, **_bounds(kind)}
        case inspect.VarTupleType():
            return {"type": "array", "items": _of(kind.item_type, definitions), **_bounds(kind)}
        case _:
            return _of_scalar(kind)


def _of_scalar(kind: inspect.Type) -> JsonSchema:
    match kind:
        case inspect.StrType():
            return {"type": "string", **_bounds(kind)}
        case inspect.NoneType():
            return {"type": "null"}
        case inspect.CustomType():
            return {}  # any JSON value
        case inspect.LiteralType():
            bare: JsonSchema = {"enum": list(kind.values)}
        case inspect.BoolType():
            bare = {"type": "boolean"}
        case inspect.IntType():
            bare = {"type": "integer", **_bounds(kind)}
        case inspect.FloatType():
            bare = {"type": "number", **_bounds(kind)}
        case _:
            raise TypeError(kind)
    return {"anyOf": [bare, {"$ref": "#/$defs/Reference"}]}


# How msgspec calls a bound, and how JSON Schema does for a number, text, object and array.
_BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}
_LENGTHS: Mapping[type[inspect.Type], tuple[str, str]] = {
    inspect.StrType: ("minLength", "maxLength"),
    inspect.DictType: ("minProperties", "maxProperties"),
    inspect.VarTupleType: ("minItems", "maxItems"),
}


def _bounds(kind: inspect.Type) -> JsonSchema:
    least, most = _LENGTHS.get(type(kind), ("", ""))
    names = {**_BOUNDS, "min_length": least, "max_length": most}
    found = {said: getattr(kind, name, None) for name, said in names.items()}
    return {said: bound for said, bound in found.items() if bound is not None}


def _flat(choices: list[JsonSchema]) -> list[object]:
    """Without a choice within a choice, and each once."""
    flat: list[object] = []
    for choice in choices:
        inner = choice.get("anyOf")
        flat.extend(inner if isinstance(inner, list) else [choice])
    return [one for i, one in enumerate(flat) if one not in flat[:i]]


# The docs.


def markdown() -> str:
    parts = [_INTRODUCTION]
    for cls, heading in _CHAPTERS:
        rows = "".join(map(_row, _own_fields(cls)))
        parts.append(
            f"## {heading}\n\n{_sentence(cls)}\n\n"
            f"| Key | Type | Default | Meaning |\n| --- | --- | --- | --- |\n{rows}"
        )
    if waiting.ROWS:
        parts.append(_not_yet())
    return "\n".join(parts)


def _own_fields(cls: type[msgspec.Struct]) -> list[inspect.Field]:
    """Without those of the simulated provider, which have their own chapter."""
    fields = described(cls).fields
    if cls is not written.Backend:
        return list(fields)
    simulated = schema.Simulated.__struct_fields__
    return [field for field in fields if field.name not in simulated]


def _row(field: inspect.Field) -> str:
    kind, meaning = field.type, ""
    while isinstance(kind, inspect.Metadata):
        meaning = str((kind.extra_json_schema or {}).get("description", meaning))
        kind = kind.type
    cells = (f"`{field.name}`", _words(kind), _default(field), meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _words(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata():
            return _words(kind.type)
        case inspect.StructType(cls=schema.Address):
            return "host:port"
        case inspect.StructType(cls=cls):
            heading = _HEADINGS[cls]
            return f"[{heading}](#{_anchor(heading)})"
        case inspect.UnionType():
            some = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
            return " or ".join(map(_words, some))
        case inspect.DictType():
            return f"by name: {_words(kind.value_type)}"
        case inspect.VarTupleType():
            return f"list of {_words(kind.item_type)}"
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in kind.values)
        case _:
            return _scalar_words(kind)


def _scalar_words(kind: inspect.Type) -> str:
    match kind:
        case inspect.CustomType(cls=cls):
            return "secret" if cls is secret.Secret else "JSON value"
        case inspect.BoolType():
            return "`true`, `false`"
        case inspect.IntType() | inspect.FloatType():
            word = "whole number" if isinstance(kind, inspect.IntType) else "number"
            signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
            bounds = [
                f"{sign} {_plain(getattr(kind, name))}"
                for name, sign in signs.items()
                if getattr(kind, name) is not None
            ]
            return f"{word} {', '.join(bounds)}".rstrip()
        case _:
            return "text"


def _default(field: inspect.Field) -> str:
    if field.required:
        return "**required**"
    value = field.default
    match value:
        case schema.Address():
            return f"`{value}`"
        case bool():
            return f"`{json.dumps(value)}`"
        case int() | float():
            return f"`{_plain(value)}`"
        case str() if value:
            return f"`{value}`"
        case tuple() if value:
            return f"`{json.dumps(value)}`"
        case _:
            return ""


def _plain(number: float) -> str:
    return f"{number:.0f}" if number == int(number) else f"{number}"


def _not_yet() -> str:
    rows = "".join(f"| `{row.key}` | {row.sentence} |\n" for row in waiting.ROWS)
    return (
        "## Not in effect yet\n\n"
        "These may be written, and are checked, but this version does not follow them. "
        "The gateway names those that your file has when it starts and on every reload.\n\n"
        f"| Key | Until then |\n| --- | --- |\n{rows}"
    )


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-")


def _sentence(cls: type[msgspec.Struct]) -> str:
    return " ".join((cls.__doc__ or "").split())


def main(words: list[str]) -> int:
    match words:
        case ["schema"]:
            sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
        case ["markdown"]:
            sys.stdout.write(markdown())
        case _:
            sys.stderr.write("say schema or markdown\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
