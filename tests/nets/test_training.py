"""One epoch of training: it learns, it is seeded to the bit, and it is softmax-free up to the loss."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from zfpipe.data.transforms import Augmentation
from zfpipe.errors import UserError
from zfpipe.nets.machine import HERE
from zfpipe.nets.schedule import Schedule
from zfpipe.nets.start import fresh_network
from zfpipe.nets.steps import Diverged, evaluate, train_steps
from zfpipe.nets.tally import Tally
from zfpipe.nets.team import Team
from zfpipe.nets.training import Part, Recipe, Training

SPEC = {"name": "zfnet", "width": 0.04, "input_size": 48, "norm": "batch", "dropout": 0.2}


class Colours:
    """Noise with one channel raised: the class is the channel."""

    size, classes = 52, ["red", "green", "blue"]

    def __init__(self, count, seed):
        generator = np.random.default_rng(seed)
        self.labels = np.arange(count) % 3
        self.images = generator.integers(0, 200, (count, self.size, self.size, 3), dtype=np.uint8)
        self.images[np.arange(count), :, :, self.labels] += 50

    def __len__(self):
        return len(self.labels)

    def read(self, start, stop):
        return self.images[start:stop]

    def read_rows(self, rows):
        return self.images[rows]


def training(recipe=None, seed=0, count=50, norm="batch"):
    torch.set_num_threads(1)
    train, val = Colours(count, 1), Colours(24, 2)
    network = fresh_network(SPEC | {"norm": norm}, 3, seed, "he", 0.01)
    recipe = recipe or Recipe(batch_size=8, schedule=Schedule("constant", 0.01))
    mean, std = torch.full((3, 52, 52), 110.0), torch.full((3, 1, 1), 60.0)
    parts = Part(train, train.labels), Part(val, val.labels)
    return Training(network, 48, recipe, *parts, mean, std, seed, HERE)


def run(work, epochs, optimizer=None):
    optimizer = optimizer or work.recipe.optimizer(work.network)
    rows = []
    for epoch in range(1, epochs + 1):
        rows.append(work.epoch(epoch, epochs, rows, optimizer))
    return rows


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


def test_contrast_normalisation_in_its_faster_form_trains_the_same(monkeypatch):
    def weights(quickly=None):
        with monkeypatch.context() as patch:
            if quickly:
                patch.setattr("zfpipe.nets.training.contrast_quickly", quickly)
            work = training(norm="contrast")
            run(work, 1)
        kinds = {type(module) for module in work.network.modules()}
        assert (nn.LocalResponseNorm in kinds) == bool(quickly)
        return work.network.state_dict()

    first, quick, plain = (
        fresh_network(SPEC | {"norm": "contrast"}, 3, 0, "he", 0.01).state_dict(),
        weights(),
        weights(id),
    )
    assert same(quick, weights())
    for name, value in plain.items():
        moved = (value - first[name]).norm()
        assert moved > 0
        assert (quick[name] - value).norm() < 1e-3 * moved


def test_a_tiny_network_learns_colours_well_above_chance():
    rows = run(training(Recipe(batch_size=8, schedule=Schedule("constant", 0.002)), count=90), 5)
    assert rows[-1]["val_top1"] > 0.8  # chance: 0.33
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


def test_two_trainings_are_the_same_to_the_bit_and_another_seed_is_not():
    works = [training(), training(), training(seed=1)]
    rows = [run(work, 1)[0] for work in works]
    states = [work.network.state_dict() for work in works]
    assert same(states[0], states[1])
    assert not same(states[0], states[2])
    assert rows[0] | {"images_per_second": 0} == rows[1] | {"images_per_second": 0}


def test_an_epoch_does_not_depend_on_what_was_drawn_before():
    one, other = training(), training()
    run(one, 1)
    torch.rand(1000)
    np.random.rand(10)
    run(other, 1)
    assert same(one.network.state_dict(), other.network.state_dict())


def test_one_step_is_plain_sgd_on_cross_entropy_of_logits():
    # A softmax before the cross-entropy gives another gradient, and this fails.
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    images, labels = torch.randn(5, 3, 2, 2), torch.tensor([0, 1, 2, 3, 0])
    weight, bias = (value.detach().double() for value in network.parameters())
    flat = images.flatten(1).double()
    exponentials = (flat @ weight.T + bias).exp()
    probabilities = exponentials / exponentials.sum(1, keepdim=True)
    loss = -probabilities[range(5), labels].log().mean().item()
    gradient = (probabilities - functional.one_hot(labels, 4)).T @ flat / 5
    optimizer = torch.optim.SGD(network.parameters(), 99.0)
    row = train_steps(network, optimizer, [(images, labels)], [0.5], 0.0)
    assert row["train_loss"] == pytest.approx(loss, rel=1e-5)
    assert torch.allclose(network[1].weight.double(), weight - 0.5 * gradient, atol=1e-6)
    assert row["learning_rate"] == 0.5


def test_momentum_and_weight_decay_reach_the_optimizer():
    optimizer = Recipe(momentum=0.8, weight_decay=5e-4).optimizer(nn.Linear(2, 2))
    assert optimizer.defaults["momentum"] == 0.8
    assert optimizer.defaults["weight_decay"] == 5e-4
    assert Recipe().optimizer(nn.Linear(2, 2)).defaults["weight_decay"] == 0


def test_every_training_image_counts_the_last_partial_batch_too():
    seen = []
    work = training(count=21)
    work.network.register_forward_hook(lambda module, inputs, output: seen.append((module.training, len(output))))
    run(work, 1)
    assert [number for is_training, number in seen if is_training] == [8, 8, 5]
    assert sum(number for is_training, number in seen if not is_training) == 24


def test_filters_stay_within_the_radius_and_are_counted():
    work = training(Recipe(batch_size=8, filter_radius=0.05, schedule=Schedule("constant", 0.01)))
    row = run(work, 1)[0]
    assert row["filters_renormalised"] > 0
    for module in work.network.modules():
        if isinstance(module, nn.Conv2d):
            assert module.weight.square().mean((1, 2, 3)).sqrt().max() <= 0.05 * 1.00001
    free = training(Recipe(batch_size=8, filter_radius=0.0, schedule=Schedule("constant", 0.01)))
    assert run(free, 1)[0]["filters_renormalised"] == 0
    assert free.network.conv1.conv.weight.square().mean((1, 2, 3)).sqrt().max() > 0.05


def test_plateau_lowers_the_rate_in_a_training():
    work = training(Recipe(batch_size=50, schedule=Schedule("plateau", 1e-9, patience=1, factor=0.5)))
    rates = [row["learning_rate"] for row in run(work, 4)]
    assert rates == pytest.approx([1e-9, 1e-9, 0.5e-9, 0.25e-9])  # at such a rate the error cannot fall


def test_cosine_goes_down_step_by_step():
    work = training(Recipe(batch_size=10, schedule=Schedule("cosine", 0.01)))
    rates = list(work._rates(1, 2, [])) + list(work._rates(2, 2, []))
    assert rates == pytest.approx([0.005 * (1 + math.cos(math.pi * step / 10)) for step in range(10)])


def test_a_loss_that_is_not_finite_stops_with_step_and_rate():
    work = training(Recipe(batch_size=8, filter_radius=0.0, schedule=Schedule("constant", 1e20)))
    with pytest.raises(Diverged, match=r"loss became (nan|inf) at step \d+ with learning rate 1e\+20"):
        run(work, 1)


def test_validation_is_the_plain_forward_pass_on_centre_crops():
    work = training()
    work.network.eval()
    crops = torch.from_numpy(work.val.images.images[:, 2:50, 2:50]).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        logits = work.network((crops - 110) / 60)
    labels = torch.from_numpy(work.val.labels)
    row = work.validate()
    assert row["val_loss"] == pytest.approx(functional.cross_entropy(logits, labels).item(), rel=1e-5)
    assert row["val_top1"] == (logits.argmax(1) == labels).double().mean().item()
    assert row["val_top5"] == 1  # three classes


def test_evaluation_leaves_the_network_as_it_was():
    work = training()
    before = {key: value.clone() for key, value in work.network.state_dict().items()}
    work.validate()
    assert same(before, work.network.state_dict())


def test_tally_counts_top1_and_top5():
    tally = Tally()
    logits = torch.arange(8.0).repeat(4, 1)  # best classes: 7, 6, 5, 4, 3
    tally.add(logits[:3], torch.tensor([7, 3, 2]), 1.0)
    tally.add(logits[3:], torch.tensor([4]), 5.0)
    tally.share_all(Team(), torch.device("cpu"))
    assert tally.results("val") == {"val_loss": 2.0, "val_top1": 0.25, "val_top5": 0.75}


def test_networks_with_auxiliary_outputs_train_on_the_main_one():
    class Auxiliary(nn.Linear):
        def forward(self, x):
            return SimpleNamespace(logits=super().forward(x.flatten(1)), aux_logits=None)

    network = Auxiliary(12, 3)
    batch = (torch.randn(2, 3, 2, 2), torch.tensor([0, 1]))
    assert train_steps(network, torch.optim.SGD(network.parameters(), 0.1), [batch], [0.1], 0)["train_loss"] > 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 0}, "at least 1"),
        ({"momentum": 1.0}, "0 to below 1"),
        ({"weight_decay": -1}, "0 .off. or above"),
        ({"filter_radius": math.nan}, "0 .off. or above"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(settings, words):
    with pytest.raises(UserError, match=words):
        Recipe(**settings)


def test_the_defaults_are_the_papers():
    recipe = Recipe()
    assert (recipe.batch_size, recipe.momentum, recipe.filter_radius) == (128, 0.9, 0.1)
    assert recipe.schedule == Schedule("plateau", 1e-2)
    assert recipe.augmentation == Augmentation("ten", (1.0, 1.0), 0, 0, 0)


def test_evaluate_names_a_loss_that_is_not_finite():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    nn.init.constant_(network[1].weight, math.nan)
    batch = (torch.zeros(1, 3, 2, 2, dtype=torch.uint8), torch.tensor([0]))
    with pytest.raises(Diverged, match="validation loss became nan"):
        evaluate(network, [batch], 2, torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
