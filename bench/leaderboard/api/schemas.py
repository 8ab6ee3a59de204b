"""Schemas of the static API: JSON Schema for each kind of document, and the OpenAPI description of the paths.

Imports the records only; never torch, no pandas.
"""

from collections.abc import Mapping
from typing import Any

from bench import __version__
from bench.leaderboard.api.documents import ROOT
from bench.leaderboard.api.records import (
    ApiBoard,
    ApiIndex,
    ApiMetrics,
    ApiProtocol,
    ApiRanks,
    ApiReported,
    ApiSubmission,
)
from bench.leaderboard.reported import ReportedTable
from bench.protocol import Protocol
from bench.records import Record, canonical_bytes
from bench.results import Result, Run
from bench.submission import Manifest, UnlearningManifest
from bench.unlearning_protocol import UnlearningProtocol

DIALECT = "https://json-schema.org/draft/2020-12/schema"

SCHEMAS: dict[str, type[Record]] = {
    "index": ApiIndex,
    "protocol": ApiProtocol,
    "board": ApiBoard,
    "ranks": ApiRanks,
    "submission": ApiSubmission,
    "metrics": ApiMetrics,
    "reported": ApiReported,
    "result": Result,
    "run": Run,
    "manifest-ue": Manifest,
    "manifest-unlearning": UnlearningManifest,
    "protocol-ue": Protocol,
    "protocol-unlearning": UnlearningProtocol,
    "reported-table": ReportedTable,
}
"""What every schema describes, by the name of its file."""

PATHS = {
    "/index.json": ("index", "What there is: protocols, submissions and every file with its digest"),
    "/ranks.json": ("ranks", "Rank intervals of every protocol"),
    "/metrics.json": ("metrics", "The catalog of metrics"),
    "/reported.json": ("reported", "What publications report, never ranked"),
    "/protocols/{protocol}.json": ("protocol", "Every setting of a protocol"),
    "/boards/{protocol}.json": ("board", "A board with every measurement"),
    "/submissions/{slug}.json": ("submission", "A submission: its manifest and its results"),
}
"""Paths below the root of the API, with the schema of what is there."""

_EMBEDDED = {
    "protocol": {"protocol": ("protocol-ue", "protocol-unlearning")},
    "submission": {"manifest": ("manifest-ue", "manifest-unlearning")},
}
"""Fields that hold a whole document of another schema."""


def schema_files() -> dict[str, bytes]:
    """Return every schema and the OpenAPI description, by path in the site."""
    schemas = {f"{ROOT}/schema/{name}.json": canonical_bytes(schema(name)) + b"\n" for name in SCHEMAS}
    return {**schemas, f"{ROOT}/openapi.json": canonical_bytes(openapi()) + b"\n"}


def schema(name: str) -> dict[str, Any]:
    """Return a schema by its name. References to other schemas are relative to its own file."""
    found = SCHEMAS[name].model_json_schema(by_alias=True, mode="validation")
    properties = found["properties"]
    for field, others in _EMBEDDED.get(name, {}).items():
        properties[field] = {"oneOf": [{"$ref": f"{other}.json"} for other in others]}
    if name == "reported":
        properties["tables"]["items"] = {"$ref": "reported-table.json"}
    return {"$schema": DIALECT, "$id": f"{name}.json", **found}


def openapi() -> dict[str, Any]:
    """Return the OpenAPI description of the static paths."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Unlearnability Bench",
            "version": __version__,
            "description": "Static JSON files. Digests in index.json pin every other file.",
        },
        "servers": [{"url": "."}],
        "paths": {path: {"get": _operation(path, *found)} for path, found in PATHS.items()},
    }


def _operation(path: str, name: str, summary: str) -> Mapping[str, Any]:
    variables = [part.partition("}")[0] for part in path.split("{")[1:]]
    content = {"application/json": {"schema": {"$ref": f"schema/{name}.json"}}}
    return {
        "operationId": name if not variables else f"{name}_by_{variables[0]}",
        "summary": summary,
        "parameters": [
            {"name": variable, "in": "path", "required": True, "schema": {"type": "string"}} for variable in variables
        ],
        "responses": {"200": {"description": summary, "content": content}},
    }
