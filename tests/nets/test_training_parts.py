"""Schedule, renormalisation and first weights, against slower and simpler versions."""

import math

import pytest
import torch
from torch import nn

from zfpipe.errors import UserError
from zfpipe.nets.initialise import initialise
from zfpipe.nets.outcome import like_guessing
from zfpipe.nets.renormalise import renormalise
from zfpipe.nets.schedule import Schedule


def two_layers():
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.Flatten(), nn.Linear(16, 3))
    with torch.no_grad():
        network[0].weight.mul_(torch.linspace(0.1, 8, 6)[:, None, None, None])
        network[4].weight.mul_(100)
    return network


def slow_renormalise(filters: list, radius: float) -> int:
    count = 0
    for filter_ in filters:
        rms = math.sqrt(sum(value * value for value in filter_) / len(filter_))
        if rms > radius:
            count += 1
            filter_[:] = [value * radius / rms for value in filter_]
    return count


def test_renormalise_is_the_slow_version():
    network = two_layers()
    slow = {place: network[place].weight.flatten(1).tolist() for place in (0, 2)}
    dense = network[4].weight.clone()
    expected = sum(slow_renormalise(filters, 0.1) for filters in slow.values())
    assert renormalise(network, 0.1).item() == expected
    assert 0 < expected < 10  # some filters, not all
    for place, filters in slow.items():
        assert torch.allclose(network[place].weight.flatten(1), torch.tensor(filters), rtol=1e-6, atol=0)
    assert torch.equal(network[4].weight, dense)  # dense layers have no filters


def test_renormalised_filters_do_not_count_again():
    network = two_layers()
    renormalise(network, 0.01)
    assert renormalise(network, 0.01).item() == 0


@pytest.mark.parametrize(("patience", "factor"), [(1, 0.5), (2, 0.1), (4, 0.3)])
def test_plateau_is_pytorchs(patience, factor):
    generator = torch.Generator().manual_seed(patience)
    errors = (torch.randint(8, (60,), generator=generator) / 8).tolist()
    schedule = Schedule("plateau", 1.0, patience, factor)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=factor, patience=patience - 1, threshold=0.0, threshold_mode="abs", eps=0.0
    )
    for done in range(1, len(errors) + 1):
        other.step(errors[done - 1])
        expected = optimizer.param_groups[0]["lr"]
        assert schedule.rate(errors[:done], done, 60) == pytest.approx(expected, rel=1e-9)
    assert expected < 1


def test_cosine_falls_from_the_first_rate_to_zero():
    rates = [Schedule("cosine", 0.2).rate([], done, 8) for done in (0, 2, 4, 6, 8)]
    assert rates == pytest.approx([0.2, 0.1 + 0.1 * math.sqrt(0.5), 0.1, 0.1 - 0.1 * math.sqrt(0.5), 0.0])
    assert Schedule("constant", 0.2).rate([1.0] * 50, 50, 60) == 0.2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"learning_rate": 0}, "learning_rate is 0; it must be above 0"),
        ({"learning_rate": -1.0}, "above 0"),
        ({"learning_rate": math.nan}, "above 0"),
        ({"name": "step"}, "plateau, cosine, constant"),
        ({"patience": 0}, "at least 1"),
        ({"factor": 1.0}, "between 0 and 1"),
    ],
)
def test_a_wrong_schedule_is_one_sentence(settings, words):
    with pytest.raises(UserError, match=words):
        Schedule(**settings)


def test_first_weights():
    network = nn.Sequential(nn.Conv2d(3, 64, 7), nn.Conv2d(64, 64, 5), nn.Flatten(), nn.Linear(600, 300))
    conv1, conv2, dense = network[0], network[1], network[3]
    expected = {
        "paper": (0.01, 0.01, 0.01),
        "he": (math.sqrt(2 / 147), math.sqrt(2 / 1600), math.sqrt(2 / 600)),
        "first-small": (0.01, math.sqrt(2 / 1600), math.sqrt(2 / 600)),
    }
    for how, spreads in expected.items():
        torch.manual_seed(0)
        initialise(network, how, 0.01)
        for layer, spread in zip((conv1, conv2, dense), spreads, strict=True):
            assert layer.weight.std().item() == pytest.approx(spread, rel=0.05)
            assert layer.bias.abs().max() == 0
    before = conv1.weight.clone()
    initialise(network, "framework", 0.01)
    assert torch.equal(conv1.weight, before)


PLAIN, NORMALISED = nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def test_a_training_that_guesses_is_told_apart_from_one_that_learnt():
    rows = [{"val_top1": 0.9}, {"val_top1": 0.12}]
    said = like_guessing(rows, 10, PLAIN)
    assert "After 2 epochs 0.120" in said
    assert "After 1 epoch 0.120" in like_guessing(rows[-1:], 10, PLAIN)
    assert "10 classes gives 0.100" in said
    assert like_guessing(rows[:1], 10, PLAIN) == ""
    assert like_guessing([{"val_top1": 0.7}], 2, PLAIN) != ""
    assert like_guessing([{"val_top1": 1.0}], 1, PLAIN) == ""


def test_batch_normalisation_is_recommended_where_there_is_none():
    rows = [{"train_top1": 0.15, "val_top1": 0.12}]
    assert "more train.epochs or batch normalisation may help" in like_guessing(rows, 10, PLAIN)
    said = like_guessing(rows, 10, NORMALISED)
    assert "learnt little" in said
    assert "batch normalisation" not in said


def test_a_network_that_fits_its_training_images_alone_is_told_so():
    rows = [{"train_top1": 0.9, "val_top1": 1 / 3}]
    for network, steps in ((PLAIN, False), (NORMALISED, True)):
        said = like_guessing(rows, 3, network)
        assert "though 0.900 of the training images are: the network fits its training images" in said
        assert "learnt little" not in said
        assert ("batch normalisation needs many steps" in said) == steps
    assert "learnt little" in like_guessing([{"train_top1": 0.4, "val_top1": 1 / 3}], 3, PLAIN)
