"""The training loop: it learns, it repeats itself exactly, it stops when it should, and says why."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from course_lib.data import Split, load_digits, random_rotations
from course_lib.groups import C1, C4
from course_lib.layers import GroupBatchNorm, LiftingConv2d
from course_lib.models import p4cnn
from course_lib.training import (
    History,
    TrainConfig,
    accuracy_by_angle,
    default_device,
    evaluate,
    predict,
    seed_everything,
    train,
    validate,
    weights_checksum,
    write_json,
)
from course_lib.training.loop import require_fit

CONFIG = TrainConfig(epochs=3, batch_size=16, learning_rate=0.01)


def small_split(count: int = 100) -> Split:
    return load_digits(size=12).train.first(count)


def small_net(outputs: int = 10) -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(800, outputs)]
    return nn.Sequential(*layers)


def weights(net: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten().double() for p in net.state_dict().values()])


def run(config: TrainConfig = CONFIG, disturb: bool = False, **options: Any) -> tuple[Tensor, History]:
    net = small_net()
    if disturb:
        torch.rand(5)
    history = train(net, small_split(), config, device="cpu", **options)
    return weights(net), history


def test_it_learns() -> None:
    net, split = small_net(), small_split()
    history = train(net, split, TrainConfig(20, 20, 0.01), validation=split, device="cpu")
    assert history.train_loss[-1] < history.train_loss[0] / 4
    assert evaluate(net, split) > 0.95 and history.validation_accuracy[-1] == evaluate(net, split)
    validated = history.validation_accuracy, history.changed_by_turn
    columns = history.train_loss, history.train_accuracy, *validated, history.seconds
    assert [len(column) for column in columns] == [20] * 5
    assert not net.training and not history.interrupted


def test_same_seed_same_result_whatever_happened_before() -> None:
    first, history = run(augment=random_rotations)
    second, again = run(augment=random_rotations, disturb=True)
    assert torch.equal(first, second) and history.train_loss == again.train_loss
    assert not torch.equal(first, run(TrainConfig(3, 16, 0.01, seed=1), augment=random_rotations)[0])


def test_validation_does_not_change_the_training() -> None:
    plain, history = run()
    assert history.validation_accuracy == history.changed_by_turn == []
    assert torch.equal(plain, run(validation=small_split(30))[0])


def test_augmentation_sees_every_training_image_once_per_epoch_in_a_new_order() -> None:
    seen: list[Tensor] = []

    def watch(images: Tensor, generator: Generator) -> Tensor:
        seen.append(images)
        return images

    run(augment=watch)
    epochs = torch.cat(seen).flatten(1).chunk(3)
    expected = small_split().images.flatten(1).sort(dim=0).values
    for epoch in epochs:
        assert torch.equal(epoch.sort(dim=0).values, expected)
    assert not torch.equal(epochs[0], epochs[1])
    assert [len(batch) for batch in seen[:7]] == [16] * 6 + [4]


def test_every_option_of_the_config_reaches_the_training() -> None:
    options: list[dict[str, Any]] = [
        {},
        {"schedule": "cosine"},
        {"schedule": "step", "milestones": (1,)},
        {"schedule": "step", "milestones": (2,)},
        {"warmup_epochs": 1},
        {"weight_decay": 0.1},
        {"optimizer": "sgd"},
        {"optimizer": "sgd", "momentum": 0.9},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
        {"bf16": True},
    ]
    results = {tuple(run(replace(CONFIG, **option))[0].tolist()) for option in options}
    assert len(results) == len(options)


def rates(config: TrainConfig, steps_per_epoch: int) -> list[float]:
    return [config.rate_factor(step, steps_per_epoch) for step in range(config.epochs * steps_per_epoch)]


def test_schedules() -> None:
    assert rates(TrainConfig(2, 1, 1.0), 2) == [1, 1, 1, 1]
    cosine = rates(TrainConfig(2, 1, 1.0, schedule="cosine"), 2)
    assert cosine == pytest.approx([1, (1 + 2**-0.5) / 2, 0.5, (1 - 2**-0.5) / 2])
    step = TrainConfig(4, 1, 1.0, schedule="step", milestones=(1, 3), factor=0.5)
    assert rates(step, 2) == [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]
    warm = replace(step, warmup_epochs=2, milestones=(3,))
    assert rates(warm, 2) == [0.25, 0.5, 0.75, 1, 1, 1, 0.5, 0.5]
    assert rates(TrainConfig(3, 1, 1.0, schedule="cosine", warmup_epochs=1), 2) == pytest.approx([0.5, 1, *cosine])


def test_the_loop_is_sgd_with_the_schedule_written_out() -> None:
    config = TrainConfig(3, 40, 0.1, 0.01, "step", optimizer="sgd", momentum=0.9, nesterov=True, milestones=(2,))
    net, expected, split = small_net().eval(), small_net().eval(), small_split()
    net.train = lambda mode=True: net  # type: ignore[method-assign]  # no dropout: it would draw from its own stream
    train(net, split, config, device="cpu")
    generator, velocity = torch.Generator().manual_seed(0), [torch.zeros_like(p) for p in expected.parameters()]
    for epoch in range(3):
        for batch in torch.randperm(100, generator=generator).split(40):
            loss = nn.functional.cross_entropy(expected(split.images[batch]), split.labels[batch])
            gradients = torch.autograd.grad(loss, list(expected.parameters()))
            for p, g, v in zip(expected.parameters(), gradients, velocity, strict=True):
                g = g + 0.01 * p.detach()
                v.mul_(0.9).add_(g)
                p.data -= (0.1 if epoch < 2 else 0.01) * (g + 0.9 * v)
    torch.testing.assert_close(weights(net), weights(expected), rtol=1e-5, atol=1e-6)


def test_an_interrupt_returns_the_finished_epochs_and_a_usable_net() -> None:
    calls = 0

    def interrupt(images: Tensor, generator: Generator) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 10:  # in the second of the epochs, 7 batches each
            raise KeyboardInterrupt
        return images

    net = small_net()
    history = train(net, small_split(), CONFIG, small_split(), augment=interrupt, device="cpu")
    columns = history.train_loss, history.train_accuracy, history.validation_accuracy, history.seconds
    assert history.interrupted and [len(column) for column in columns] == [1] * 4
    assert not net.training and 0 <= evaluate(net, small_split()) <= 1


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    with pytest.raises(FloatingPointError, match=r"nan in epoch 1.*learning_rate smaller than 0.01"):
        run(augment=lambda images, generator: images * float("nan"))


def test_double_precision_is_kept() -> None:
    net = small_net().double()
    train(net, small_split(), TrainConfig(1, 50, 0.01), device="cpu")
    assert all(p.dtype == torch.float64 for p in net.parameters())
    assert 0 <= evaluate(net, small_split()) <= 1


@pytest.mark.parametrize(
    "field, value",
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("batch_size", -1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -0.1),
        ("schedule", "linear"),
        ("optimizer", "rmsprop"),
        ("momentum", 1.0),
        ("factor", 0.0),
        ("warmup_epochs", -1),
        ("milestones", (0,)),
        ("milestones", (10,)),
    ],
)
def test_config_names_the_wrong_field_and_value(field: str, value: Any) -> None:
    good: dict[str, Any] = {"epochs": 1, "batch_size": 1, "learning_rate": 0.1}
    with pytest.raises(ValueError, match=f"{field} must be .*got {re.escape(repr(value))}"):
        TrainConfig(**{**good, field: value})


def test_config_refuses_what_contradicts_itself() -> None:
    with pytest.raises(ValueError, match="milestones must be given for schedule 'step'"):
        TrainConfig(1, 1, 0.1, schedule="step")
    with pytest.raises(ValueError, match="momentum must be 0 for optimizer 'adam'"):
        TrainConfig(1, 1, 0.1, momentum=0.9)
    with pytest.raises(ValueError, match="momentum must be above 0 where nesterov"):
        TrainConfig(1, 1, 0.1, optimizer="sgd", nesterov=True)


def test_what_does_not_fit_together_is_refused_before_training() -> None:
    with pytest.raises(ValueError, match=r"batch_size 101 is larger.*100 images"):
        run(TrainConfig(1, 101, 0.1))
    with pytest.raises(ValueError, match="labels run from 0 to 9, but the net has 5 outputs"):
        train(small_net(5), small_split(), CONFIG, device="cpu")
    split = small_split()
    with pytest.raises(ValueError, match="labels run from -1 to 8"):
        train(small_net(), split, CONFIG, Split(split.images, split.labels - 1), device="cpu")
    with pytest.raises(ValueError, match=r"\(N, classes\), got shape \(1, 8, 10, 10\)"):
        train(nn.Conv2d(1, 8, 3), split, CONFIG, device="cpu")


def test_a_history_is_stored_as_json_and_the_file_is_written_whole(tmp_path: Path) -> None:
    history, path = History(CONFIG, [0.1, 0.2], [0.5, 1.0], [], [1.0, 2.0], interrupted=True), tmp_path / "new.json"
    write_json(path, asdict(history))
    with pytest.raises(TypeError):
        write_json(path, {"half": object()})
    assert History.from_stored(json.loads(path.read_text())) == history
    assert [p.name for p in tmp_path.iterdir()] == ["new.json"]


def one_pixel_net() -> nn.Module:
    """Its norm sees one value of each channel and image: two images at least are needed."""
    return nn.Sequential(LiftingConv2d(C1, 1, 4, 8), GroupBatchNorm(C1, 4), nn.Flatten(), nn.Linear(4, 10))


def test_a_last_batch_of_one_image_is_refused_before_the_first_step_with_the_way_out() -> None:
    split = Split(torch.randn(129, 1, 8, 8), torch.randint(10, (129,)))
    net = one_pixel_net()
    before = weights_checksum(net)
    with pytest.raises(
        ValueError, match=r"batch_size 128 the last of 129 training images .*for example 127"
    ) as refused:
        train(net, split, TrainConfig(epochs=1, batch_size=128, learning_rate=0.01), device="cpu")
    assert "\n" not in str(refused.value) and weights_checksum(net) == before
    for size in (127, 129):
        train(one_pixel_net(), split, TrainConfig(epochs=1, batch_size=size, learning_rate=0.01), device="cpu")
    with pytest.raises(ValueError, match="batch_size 1 the last of 2 training images .*for example 2"):
        train(net, split.first(2), TrainConfig(epochs=1, batch_size=1, learning_rate=0.01), device="cpu")
    with pytest.raises(ValueError, match="take more images"):
        train(net, split.first(1), TrainConfig(epochs=1, batch_size=1, learning_rate=0.01), device="cpu")


def test_a_net_that_can_learn_from_one_image_may_and_the_trial_leaves_no_trace() -> None:
    split = Split(torch.randn(9, 1, 8, 8), torch.randint(10, (9,)))

    def build() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(72, 10))

    net, drawn = build(), []
    for fits in (lambda: None, lambda: require_fit(net, TrainConfig(1, 8, 0.01), split, None)):
        torch.manual_seed(3)
        fits()
        drawn.append(torch.rand(1))
    assert drawn[0] == drawn[1] and weights_checksum(net) == weights_checksum(build())
    history = train(net, split, TrainConfig(epochs=1, batch_size=8, learning_rate=0.01), device="cpu")
    assert history.epochs_done == 1


def test_evaluate_counts_over_batches_and_keeps_the_mode() -> None:
    linear = nn.Linear(4, 2, bias=False)
    linear.weight.data = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    net = nn.Sequential(nn.Flatten(), linear)
    images = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]]).view(3, 1, 2, 2)
    labels = torch.tensor([0, 1, 0])
    net.train()
    linear.eval()  # frozen, say: each layer keeps its own mode
    assert evaluate(net, Split(images, labels)) == pytest.approx(2 / 3) and net.training and not linear.training
    assert predict(net, images, batch_size=2).tolist() == [0, 1, 1]
    # A quarter turn counter-clockwise moves the upper right pixel to the upper left.
    assert accuracy_by_angle(net, Split(images[1:2], labels[:1]), [0, 90, 360]).tolist() == [0.0, 1.0, 0.0]


def test_validate_counts_the_predictions_that_a_turn_changes() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 2, bias=False))
    net[1].weight.data = torch.tensor([[1.0, 0, 0, 0, 0, 0], [0, 0.5, 0, 0, 0, 0]])
    # 2 × 3 pixels: turned by 180°. The first image moves its bright pixel out of sight, the second has one either way.
    images = torch.tensor([[0.0, 1, 0, 0, 0, 0], [1.0, 0, 0, 0, 0, 1]]).view(2, 1, 2, 3)
    assert validate(net, Split(images, torch.tensor([1, 1]))) == (0.5, 0.5)
    torch.manual_seed(0)
    some = load_digits().test.first(60)
    assert validate(p4cnn(C4, 2), some)[1] == 0 < validate(p4cnn(C1, 4), some)[1]


def test_accuracy_of_p4cnn_repeats_every_quarter_turn() -> None:
    torch.manual_seed(0)
    curve = accuracy_by_angle(p4cnn(C4, 2), load_digits().test.first(60), [0, 30, 90, 120, 180, 210])
    assert curve[0] == curve[2] == curve[4] and curve[1] == curve[3] == curve[5]


def test_seed_everything_repeats_and_default_device_exists() -> None:
    seed_everything(7)
    first = torch.rand(3)
    seed_everything(7)
    assert torch.equal(first, torch.rand(3))
    assert default_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
