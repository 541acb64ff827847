"""Energy beyond a stride's Nyquist frequency: closed forms, pure waves, and a padded FFT."""

import numpy as np
import pytest

from zfpipe.nets.aliasing import share_beyond


def test_a_single_pixel_has_the_share_of_noise():
    picture = np.zeros((1, 5, 7, 3))
    picture[0, 2, 3] = [1, -2, 3]
    for stride in ((1, 1), (2, 2), (2, 4), (3, 1)):
        assert share_beyond(picture, stride) == pytest.approx(1 - 1 / (stride[0] * stride[1]), abs=1e-12)


@pytest.mark.parametrize("axis", [0, 1])
def test_pure_waves_are_within_or_beyond(axis):
    phase = 2 * np.pi * np.arange(400)
    for stride, frequency, expected in ((2, 0.2, 0), (2, 0.3, 1), (4, 0.1, 0), (4, 0.15, 1), (1, 0.45, 0)):
        wave = np.broadcast_to(np.sin(frequency * phase)[:, None], (400, 400))
        picture = (wave if axis == 0 else wave.T)[None, :, :, None]
        steps = (stride, 1) if axis == 0 else (1, stride)
        assert share_beyond(picture, steps)[0] == pytest.approx(expected, abs=0.02)


def test_it_is_the_integral_over_a_finely_padded_spectrum():
    pictures = np.random.default_rng(0).normal(size=(3, 7, 5, 2))
    stride, side = (2, 3), 1500
    power = np.square(np.abs(np.fft.fft2(pictures, (side, side), axes=(1, 2)))).sum(-1)
    frequency = np.abs(np.fft.fftfreq(side))
    beyond = (frequency > 1 / 4)[:, None] | (frequency > 1 / 6)[None]
    expected = power[:, beyond].sum(1) / power.sum((1, 2))
    assert share_beyond(pictures, stride) == pytest.approx(expected, abs=2e-3)


def test_nothing_has_no_share():
    assert np.isnan(share_beyond(np.zeros((1, 3, 3, 1)), (2, 2))).all()
