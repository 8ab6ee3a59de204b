import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from factories import make_run
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from leaderboard.both import downloads, read_both
from referencing import Registry, Resource

from bench import __version__
from bench.leaderboard.api.schemas import PATHS, SCHEMAS
from bench.leaderboard.sources import Sources, read_sources
from bench.records import canonical_bytes, digest

ROOT = "api/v1"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return read_both(tmp_path_factory.mktemp("both"))


@pytest.fixture(scope="module")
def files(sources: Sources) -> dict[str, bytes]:
    return downloads(sources)


def validator(files: dict[str, bytes], name: str) -> Draft202012Validator:
    schemas = {path.rpartition("/")[2]: json.loads(files[path]) for path in files if path.startswith(f"{ROOT}/schema/")}
    registry: Registry[Any] = Registry().with_resources(
        (key, Resource.from_contents(schema)) for key, schema in schemas.items()
    )
    return Draft202012Validator(schemas[f"{name}.json"], registry=registry)


def schema_of(path: str) -> str:
    folder = path.removeprefix(f"{ROOT}/").rpartition("/")[0]
    return {"boards": "board", "protocols": "protocol", "submissions": "submission"}.get(
        folder, path.rpartition("/")[2].removesuffix(".json")
    )


def test_every_document_is_as_its_schema_says(files: dict[str, bytes]) -> None:
    documents = [
        path for path in files if path.startswith(f"{ROOT}/") and "/schema/" not in path and "openapi" not in path
    ]
    assert {schema_of(path) for path in documents} == {name for name, _ in PATHS.values()}
    for path in documents:
        validator(files, schema_of(path)).validate(json.loads(files[path]))


def test_every_schema_is_a_schema(files: dict[str, bytes]) -> None:
    for name in SCHEMAS:
        Draft202012Validator.check_schema(json.loads(files[f"{ROOT}/schema/{name}.json"]))


@pytest.mark.parametrize("change", [{"rows": [{"slug": 1}]}, {"extra": 1}, {"digest": "sha256:0"}])
def test_schemas_refuse_what_is_wrong(files: dict[str, bytes], change: dict[str, Any]) -> None:
    board = json.loads(files[f"{ROOT}/boards/ue-tiny-v1.json"])
    with pytest.raises(ValidationError):
        validator(files, "board").validate({**board, **change})


def test_results_runs_and_manifests_are_as_their_schemas_say(sources: Sources, files: dict[str, bytes]) -> None:
    for entry in sources.submissions:
        track = entry.manifest.track
        validator(files, f"manifest-{track}").validate(
            json.loads(files[f"{ROOT}/submissions/{entry.slug}.json"])["manifest"]
        )
        for stored in entry.results:
            raw = f"submissions/{entry.slug}/{stored.result.subject.protocol.id}-{stored.result.name}.json"
            validator(files, "result").validate(json.loads(files[raw]))
    validator(files, "run").validate(make_run().model_dump(mode="json"))
    wrong = {**json.loads(files[raw]), "id": "1"}
    with pytest.raises(ValidationError):
        validator(files, "result").validate(wrong)


def test_protocols_can_be_digested_again(sources: Sources, files: dict[str, bytes]) -> None:
    words = {"title", "summary", "notes", "unlearners", "trials"}
    for name in ("ue-tiny-v1", "unlearning-tiny-v1"):
        document = json.loads(files[f"{ROOT}/protocols/{name}.json"])
        asked = {key: value for key, value in document["protocol"].items() if key not in words}
        assert document["sha256"] == digest(asked)
        validator(files, f"protocol-{document['protocol']['track']}").validate(document["protocol"])


def test_the_index_names_every_document_and_digests_those_of_boards(files: dict[str, bytes]) -> None:
    index = json.loads(files[f"{ROOT}/index.json"])
    listed = {item["path"]: item for item in (*index["files"], *index["downloads"])}
    # A submission has a document of its own, which its results are found through; the index only says where.
    assert set(index["submissions"]) == {path for path in files if path.startswith(f"{ROOT}/submissions/")}
    assert {path for path in files if path.startswith(f"{ROOT}/")} == {
        *(f"{ROOT}/index.json", *index["submissions"], *(item["path"] for item in index["files"]))
    }
    for path, item in listed.items():
        assert item["sha256"] == hashlib.sha256(files[path]).hexdigest()
        assert item["bytes"] == len(files[path])
    assert {"downloads/measurements.parquet", "ue/ue-tiny-v1/ue-tiny-v1.tex"} <= listed.keys()
    assert index["generator"] == {"name": "bench", "version": __version__}
    counts = {item["id"]: (item["submissions"], item["ranked"], item["results"]) for item in index["protocols"]}
    assert counts == {"ue-tiny-v1": (6, 3, 6), "unlearning-tiny-v1": (6, 2, 5)}


def paths_in(value: Any) -> list[str]:
    """Every path that a document of the API names."""
    if isinstance(value, dict):
        found = [item for key, item in value.items() if key in ("path", "submission", "protocol", "board", "page")]
        return [item for item in found if isinstance(item, str) and "/" in item] + [
            path for key, item in value.items() if key != "manifest" for path in paths_in(item)
        ]
    return [path for item in value for path in paths_in(item)] if isinstance(value, list) else []


def test_every_path_in_a_document_resolves(files: dict[str, bytes]) -> None:
    seen = 0
    for path, content in files.items():
        if path.startswith(f"{ROOT}/") and "/schema/" not in path and "openapi" not in path:
            for target in paths_in(json.loads(content)):
                seen += 1
                assert target in files or target.endswith("/index.html"), f"{path}: {target}"
    assert seen > 50


def test_openapi_describes_paths_that_exist(files: dict[str, bytes]) -> None:
    described = json.loads(files[f"{ROOT}/openapi.json"])
    assert described["openapi"] == "3.1.0"
    for path, item in described["paths"].items():
        example = path.replace("{protocol}", "ue-tiny-v1").replace("{slug}", "fog")
        assert f"{ROOT}{example}" in files
        reference = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        assert f"{ROOT}/{reference}" in files
    ids = [item["get"]["operationId"] for item in described["paths"].values()]
    assert len(set(ids)) == len(ids)


def test_documents_are_canonical(files: dict[str, bytes]) -> None:
    for path, content in files.items():
        if path.startswith(f"{ROOT}/"):
            assert content == canonical_bytes(json.loads(content)) + b"\n", path


def test_ranks_are_those_of_the_boards(files: dict[str, bytes]) -> None:
    for ranking in json.loads(files[f"{ROOT}/ranks.json"])["protocols"]:
        board = json.loads(files[f"{ROOT}/boards/{ranking['protocol']}.json"])
        expected = [
            {
                "slug": row["slug"],
                "best": row["place"]["best"],
                "worst": row["place"]["worst"],
                "ties": row["place"]["ties"],
                "mean": row["score"]["mean"],
            }
            for row in board["rows"]
            if "place" in row
        ]
        assert ranking["ranks"] == expected
        assert ranking["digest"] == board["digest"]


def test_a_submission_lists_its_results_and_which_the_board_shows(files: dict[str, bytes]) -> None:
    mist = json.loads(files[f"{ROOT}/submissions/mist.json"])
    assert sorted((item["tier"], item["shown"], item["first"]) for item in mist["results"]) == [
        ("full", True, "2026-01-31"),
        ("quick", False, "2026-01-31"),
    ]
    assert mist["manifest"]["method"]["name"] == "Mist"
    assert json.loads(files[f"{ROOT}/submissions/rime.json"])["results"] == []


def test_a_run_that_states_no_time_stops_nothing(tmp_path: Path) -> None:
    sources = read_both(tmp_path)
    broken = make_run(ended="<b>yesterday</b>")
    folder = tmp_path / "submissions/fog/results/ue-tiny-v1"
    runs = next(folder.glob("*.runs.jsonl"))
    runs.write_bytes(canonical_bytes(broken.sealed().model_dump(mode="json")) + b"\n")
    protocols = {**sources.protocols, **sources.unlearning_protocols}
    again = read_sources(tmp_path, protocols=protocols)
    files = downloads(again)
    fog = json.loads(files[f"{ROOT}/submissions/fog.json"])["results"][0]
    assert "first" not in fog
    assert len(again.submissions) == len(sources.submissions)
