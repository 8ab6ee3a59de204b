"""Crafting: what an attack gets to see, what a new manifest says of its surrogate, and progress on stderr."""

import pytest
from measured import PROTOCOL_ID, write_clean, write_protocol

from bench import crafting
from bench.crafting import craft_submission
from bench.errors import UsageProblem
from bench.protocol import load_protocol
from bench.submission import load_submission


@pytest.fixture
def protocol(tmp_path, monkeypatch):
    write_protocol(tmp_path / "protocols")
    monkeypatch.setenv("BENCH_PROTOCOLS", str(tmp_path / "protocols"))
    return load_protocol(PROTOCOL_ID)


def test_a_new_manifest_names_the_surrogate_and_every_setting_that_is_not_published(tmp_path, protocol):
    craft_submission(tmp_path, "pil", protocol, slug="my-pil", seed=0)
    method = load_submission(tmp_path / "submissions" / "my-pil").manifest.method
    assert method.surrogate == "two linear maps without bias; batch_size 1 (published: 512); otherwise as published"


def test_an_attack_without_a_network_has_no_surrogate(tmp_path, protocol):
    crafted = craft_submission(tmp_path, "lsp", protocol, slug="my-lsp", seed=0)
    assert "surrogate" not in (crafted.folder / "submission.toml").read_text()


def test_an_attack_with_a_surrogate_makes_the_same_bytes_again(tmp_path, protocol):
    first = craft_submission(tmp_path, "pil", protocol, slug="my-pil", seed=0)
    again = craft_submission(tmp_path, "pil", protocol, slug="my-pil", seed=0)
    assert again.recreated
    assert again.sha256 == first.sha256


def test_progress_goes_to_stderr_only(tmp_path, protocol, monkeypatch, capsys):
    monkeypatch.setattr(crafting, "PROGRESS_SECONDS", 0)
    craft_submission(tmp_path, "pil", protocol, slug="my-pil", seed=0)
    out, err = capsys.readouterr()
    assert out == ""
    assert "pil: 1 of 30 surrogate epochs" in err.splitlines()


def test_what_cannot_be_written_is_refused_before_anything_is_crafted(tmp_path, protocol, monkeypatch):
    monkeypatch.setattr(crafting, "_craft", lambda *_: pytest.fail("crafted first"))
    with pytest.raises(UsageProblem, match="'e' cannot be a slug; use 2 to 48"):
        craft_submission(tmp_path, "em", protocol, slug="e", seed=0)
    write_clean(tmp_path)
    with pytest.raises(UsageProblem, match="choose another --slug"):
        craft_submission(tmp_path, "em", protocol, slug="clean", seed=0)


def test_a_recipe_on_a_gpu_says_so_and_one_on_the_cpu_says_nothing(tmp_path, protocol, monkeypatch):
    monkeypatch.setattr(crafting, "_craft", lambda *_: (b"bytes", "0" * 64, "sample-wise"))
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a GPU")
    for device in ("cpu", "cuda"):
        craft_submission(tmp_path, "pil", protocol, slug=f"pil-{device}", seed=0, device=device)
    made = {device: load_submission(tmp_path / "submissions" / f"pil-{device}").manifest for device in ("cpu", "cuda")}
    assert {device: found.artifact[0].recipe.device for device, found in made.items()} == {"cpu": "cpu", "cuda": "cuda"}
    assert made["cuda"].artifact[0].cost.hardware == "a GPU"
    assert "device" not in (tmp_path / "submissions" / "pil-cpu" / "submission.toml").read_text()
