"""Challenge kits: what is handed out, what is kept, and that both can be made again."""

import json

import numpy as np
import pytest
import safetensors.numpy
import torch
from unlearned import small_unlearning_protocol

from bench.challenge_secret import SECRET_VARIABLE, read_secret
from bench.challenges import KitRequest, complete_settings, kit_folder, open_kit
from bench.errors import CorruptResult, UsageProblem

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    request = KitRequest(tmp_path_factory.mktemp("kits"), small_unlearning_protocol(), "gaussian", 0)
    return request, open_kit(request, CPU)


def test_the_public_part_is_the_training_set_with_the_poison(kit):
    _, made = kit
    public = safetensors.numpy.load_file(made.folder / "public" / "train.safetensors")
    images = public["images"].astype(np.float32) / 255
    images[public["changed"]] = public["changed_images"]
    assert np.allclose(images, made.trained.images.numpy(), atol=1e-6)
    assert np.array_equal(public["labels"], made.trained.labels.numpy())


def test_nothing_that_is_secret_is_handed_out(kit):
    _, made = kit
    public = made.folder / "public"
    names = sorted(path.name for path in public.iterdir())
    assert names == ["forget.safetensors", "kit.json", "original.safetensors", "train.safetensors"]
    tensors = {name for name in names if name.endswith(".safetensors")}
    keys = {key for name in tensors for key in safetensors.numpy.load_file(public / name)}
    assert not {key for key in keys if "noise" in key or "base" in key or "secret" in key}
    # The clean image that a poison replaced is blank, and the canaries are not told from the poisons.
    train = safetensors.numpy.load_file(public / "train.safetensors")
    assert not train["images"][train["changed"]].any()
    assert len(train["changed"]) == 12 + 6


def test_digests_of_the_kit_are_those_of_its_files(kit):
    import hashlib

    _, made = kit
    public = made.folder / "public"
    stated = json.loads((public / "kit.json").read_bytes())["files"]
    assert stated == {name: hashlib.sha256((public / name).read_bytes()).hexdigest() for name in stated}
    assert stated["original.safetensors"] == made.original_sha256


def test_sets_split_the_training_set(kit):
    _, made = kit
    forget, retain = made.sets()
    assert len(forget.labels) == 12
    assert len(retain.labels) == 120 - 12
    assert torch.equal(forget.images, made.poison.forget.images)


def test_all_other_images_are_the_clean_ones(kit):
    _, made = kit
    assert made.poison.kept is not None
    changed = torch.cat([made.poison.forget.indices, made.poison.kept.indices])
    same = torch.ones(120, dtype=torch.bool)
    same[changed] = False
    assert torch.equal(made.trained.images[same], made.clean.images[same])
    assert torch.equal(made.trained.labels, made.clean.labels)


def test_a_kit_made_again_is_the_same_bytes(kit, tmp_path):
    request, made = kit
    again = open_kit(KitRequest(tmp_path, request.protocol, "gaussian", 0), CPU)
    for name in ("secret.safetensors", "public/kit.json", "public/original.safetensors", "public/train.safetensors"):
        assert (made.folder / name).read_bytes() == (again.folder / name).read_bytes()


def test_a_secret_moves_the_poison_and_the_folder_but_not_the_first_weights(kit, tmp_path, monkeypatch):
    request, made = kit
    path = tmp_path / "secret"
    path.write_bytes(b"y" * 32)
    monkeypatch.setenv(SECRET_VARIABLE, str(path))
    hidden = open_kit(request, CPU)
    assert hidden.folder != made.folder
    assert not torch.equal(hidden.poison.secret["noise"], made.poison.secret["noise"])


def test_seeds_have_poisons_of_their_own(kit):
    request, made = kit
    other = open_kit(KitRequest(request.root, request.protocol, "gaussian", 1), CPU)
    assert not torch.equal(other.poison.forget.indices, made.poison.forget.indices)
    assert other.original_sha256 != made.original_sha256


def test_another_setting_is_another_kit(kit):
    request, _ = kit
    table = request.protocol.model_dump(by_alias=True)
    table["probes"][0]["settings"]["sigma"] = 0.3
    other = type(request.protocol).model_validate(table)
    secret = read_secret()
    assert kit_folder(KitRequest(request.root, other, "gaussian", 0), secret) != kit_folder(request, secret)


def test_a_setting_that_no_probe_has_is_refused(kit):
    request, _ = kit
    table = request.protocol.model_dump(by_alias=True)
    table["probes"][0]["settings"]["sigmoid"] = 0.3
    other = type(request.protocol).model_validate(table)
    with pytest.raises(UsageProblem, match="gaussian has no setting 'sigmoid'"):
        complete_settings(KitRequest(request.root, other, "gaussian", 0))


def test_a_changed_original_is_noticed(kit, tmp_path):
    request, made = kit
    path = made.folder / "public" / "original.safetensors"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(CorruptResult, match=r"original\.safetensors was changed"):
            open_kit(request, CPU)
    finally:
        path.write_bytes(content)
