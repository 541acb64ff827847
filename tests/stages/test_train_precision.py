"""Training in bf16: nearly the same losses, weights in float32, a name of its own in the state folder."""

import pytest
import torch
from train_command import pack_both, rows_of, train

from zfpipe.nets.models import load_model


def test_bf16_learns_as_float32_does_and_is_another_training(tmp_path):
    data = pack_both(tmp_path)
    losses = {}
    for precision in ("float32", "bf16"):
        out = tmp_path / precision
        out.mkdir()
        train(data, out, "--epochs", 3, "--learning-rate", 0.001, "--precision", precision, state=tmp_path / "state")
        losses[precision] = [float(row["train_loss"]) for row in rows_of(out)]
        assert {value.dtype for value in load_model(out / "model.pt").network.parameters()} == {torch.float32}
    assert losses["bf16"] != losses["float32"]
    assert losses["bf16"] == pytest.approx(losses["float32"], rel=0.05)
    assert len(list((tmp_path / "state").glob("*"))) == 2
