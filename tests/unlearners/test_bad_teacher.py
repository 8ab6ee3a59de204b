"""Bad Teacher: which teacher answers for which example, how examples are averaged, what is drawn once."""

from dataclasses import replace

import pytest
import torch
from tiny_inputs import RECIPE, fresh_model, given_for, same, state, weights

from bench.unlearners import bad_teacher
from bench.unlearners.bad_teacher import BAD_TEACHER, mixed_set, unlearn_bad_teacher


def divergence(teacher, student, temperature):
    """T^2 KL(teacher || student) of two lists of logits, example by example, summed over classes."""
    p, q = (logits / temperature for logits in (teacher, student))
    p, q = p.softmax(1), q.softmax(1)
    return temperature**2 * (p * (p / q).log()).sum(1)


def test_the_set_is_the_forget_set_and_a_random_share_of_the_rest():
    given = given_for(BAD_TEACHER)
    data = mixed_set(given)
    assert data.labels.tolist() == 16 * [1] + 19 * [0]  # 30 % of 64
    assert torch.equal(data.images[:16], given.forget.images)
    retained = {image.numpy().tobytes() for image in given.retain.images}
    found = [image.numpy().tobytes() for image in data.images[16:]]
    assert len(set(found)) == 19
    assert set(found) <= retained
    assert not torch.equal(data.images[16:], given.retain.images[:19])


def test_each_example_has_its_teacher_and_counts_once(monkeypatch):
    """The loss of the only batch: the sum over classes, averaged over examples and not over classes."""
    seen = []

    def record(student, target, temperature):
        seen.append((target, float(divergence(target, student.detach(), temperature).mean())))
        return original_distillation(student, target, temperature)

    original_distillation = bad_teacher.distillation
    monkeypatch.setattr(bad_teacher, "distillation", record)
    given = given_for(BAD_TEACHER, epochs=1, retain_share=0.25, temperature=2.0)
    given = replace(given, recipe=RECIPE.model_copy(update={"batch_size": 100}))
    data = mixed_set(given)
    with torch.no_grad():
        answers = [model(data.images) for model in (given.model, fresh_model("random teacher").eval())]
    losses = []
    monkeypatch.setattr(bad_teacher, "take_step", lambda _optimizer, loss, *_, **__: losses.append(loss.item()))
    unlearn_bad_teacher(given)
    ((target, expected),) = seen
    torch.testing.assert_close(
        target.sort(0).values, torch.cat([answers[1][:16], answers[0][16:]]).sort(0).values, atol=1e-5, rtol=1e-4
    )
    assert losses == pytest.approx([expected], rel=1e-4)


def test_the_student_goes_to_its_teachers_and_they_stay():
    given = given_for(BAD_TEACHER, epochs=40, learning_rate=0.01)
    before = given_for(BAD_TEACHER).model
    random = fresh_model("random teacher").eval()
    made = []
    given = replace(given, make_model=lambda purpose: made.append(fresh_model(purpose)) or made[-1])
    student = unlearn_bad_teacher(given)
    with torch.no_grad():
        forget, retain = given.forget.images, given.retain.images
        distance = divergence(random(forget), before(forget), 1.0).mean()
        assert divergence(random(forget), student(forget), 1.0).mean() < 0.5 * distance
        agreement = (student(retain).argmax(1) == before(retain).argmax(1)).double().mean()
    assert agreement > 0.7
    assert same(state(made[0]), state(random))


def test_the_published_rate_moves_little_in_one_epoch():
    """At most about 1e-4 a step of Adam, three steps."""
    given = given_for(BAD_TEACHER, epochs=1)
    before = weights(given.model)
    after = weights(unlearn_bad_teacher(given))
    assert max(float((a - b).abs().max()) for a, b in zip(before, after, strict=True)) < 4e-4
