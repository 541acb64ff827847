"""Ten views and their mean against slices written out, and hits against sorting by hand."""

import numpy as np
import pytest
import torch

from zfpipe.errors import UserError
from zfpipe.nets.evaluation import hits, probabilities, views_of
from zfpipe.nets.models import Model
from zfpipe.nets.paper import zfnet

PACKED, SIZE = 65, 60


class Split:
    """What an evaluation needs of a packed split."""

    split = "val"
    images = np.random.default_rng(0).integers(0, 256, (11, PACKED, PACKED, 3)).astype(np.uint8)

    def __len__(self):
        return len(self.images)

    def read(self, start, stop):
        return self.images[start:stop]


@pytest.fixture
def small(lively):
    network = lively(zfnet(3, width=0.05, input_size=SIZE, norm="batch"), torch.float32)
    mean, std = torch.full((3, 1, 1), 120.0), torch.full((3, 1, 1), 60.0)
    return Model(network, {"input_size": SIZE}, ["a", "b", "c"], mean, std, PACKED)


def test_views_are_centre_corners_and_their_mirrors():
    image = np.arange(5 * 7 * 3).reshape(1, 5, 7, 3)
    found = list(views_of(image, (3, 4), 10))
    wanted = [image[:, 1:4, 2:6], image[:, :3, :4], image[:, :3, 3:], image[:, 2:, :4], image[:, 2:, 3:]]
    assert len(found) == 10
    for place, view in enumerate(wanted):
        assert np.array_equal(found[2 * place], view)
        assert np.array_equal(found[2 * place + 1], view[:, :, ::-1])
    assert [view.tolist() for view in views_of(image, (3, 4), 1)] == [wanted[0].tolist()]
    with pytest.raises(UserError, match="it can be: 1, 10"):
        next(views_of(image, (3, 4), 5))


def test_probabilities_are_the_mean_of_each_view_alone(small):
    room = PACKED - SIZE
    places = [(round(room / 2), round(room / 2)), (0, 0), (0, room), (room, 0), (room, room)]
    found = probabilities(small, Split(), 4, views=10)
    for number, image in enumerate(Split.images):
        kept = []
        for top, left in places:
            for step in (1, -1):
                view = image[top : top + SIZE, left : left + SIZE][:, ::step].copy()
                logits = small.network(small.normalise(torch.from_numpy(view).permute(2, 0, 1)[None]))
                kept.append(logits.softmax(1)[0].numpy())
        np.testing.assert_allclose(found[number], np.mean(kept, axis=0), rtol=1e-4, atol=1e-6)
    assert not np.allclose(found, probabilities(small, Split(), 4))


def test_hits_count_the_best_few_and_give_ties_to_the_lower_class():
    found = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])
    labels = np.array([2, 1, 0, 0])
    assert hits(found, labels, 1) == 0.25
    assert hits(found, labels, 2) == 0.75
    assert hits(found, labels, 3) == 1


def test_outputs_that_are_not_finite_are_refused(small):
    small.network.fc8.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="not finite"):
        probabilities(small, Split(), 4)
