"""The state folder: what is whole counts, what is damaged is passed over, one writer at a time."""

import multiprocessing
import struct
import time

import pytest
import torch

from zfpipe.errors import UserError
from zfpipe.nets.state import State, key_of

FACTS = {"train": "a", "epochs": None, "recipe": {"batch_size": 128}}


def filled(folder, epochs=5):
    state = State(folder, "key")
    state.folder.mkdir(parents=True)
    for epoch in range(1, epochs + 1):
        optimizer = {"state": {0: {"momentum_buffer": torch.full((3,), float(epoch))}}, "param_groups": []}
        content = {"weights": {"w": torch.full((3,), float(epoch))}, "rows": [], "mean": torch.zeros(3, 1, 1)}
        state.save(epoch, content | {"std": torch.ones(3, 1, 1)}, optimizer)
    return state


def damage(path):
    """Change one bit of a number in the file."""
    number = struct.pack("<f", int(path.stem[-4:])) * 3
    data = bytearray(path.read_bytes())
    data[data.index(number) + 2] ^= 1
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-50])


def test_a_key_is_sixteen_digits_of_all_facts():
    assert len(key_of(FACTS)) == 16
    assert key_of(FACTS) == key_of(dict(reversed(FACTS.items())))
    assert key_of(FACTS) != key_of(FACTS | {"train": "b"})
    assert key_of(FACTS) != key_of(FACTS | {"recipe": {"batch_size": 64}})


def test_every_epoch_stays_and_the_optimizer_of_two(tmp_path):
    state = filled(tmp_path)
    assert sorted(path.name for path in state.folder.iterdir()) == [
        *(f"epoch-000{epoch}.pt" for epoch in range(1, 6)),
        "optimizer-0004.pt",
        "optimizer-0005.pt",
    ]
    assert state.load(3)["weights"]["w"].tolist() == [3, 3, 3]
    assert state.load_optimizer(5)["state"][0]["momentum_buffer"].tolist() == [5, 5, 5]
    assert state.bytes_used() == sum(path.stat().st_size for path in state.folder.iterdir())


@pytest.mark.parametrize(("asked", "start"), [(5, 5), (9, 5), (3, 3), (1, 1)], ids=["all", "more", "fewer", "one"])
def test_newest_is_the_last_one_up_to_the_epochs_asked_for(tmp_path, asked, start):
    assert filled(tmp_path).newest(asked) == start


def test_nothing_there_starts_at_zero(tmp_path):
    assert State(tmp_path, "key").newest(5) == 0
    assert State(tmp_path, "key").preprocessing(0) is None


@pytest.mark.parametrize("harm", [damage, cut])
def test_a_damaged_newest_is_removed_and_the_one_before_taken(tmp_path, harm, capsys):
    state = filled(tmp_path)
    harm(state.path(5))
    assert state.newest(9) == 4
    assert not state.path(5).exists()
    assert "epoch-0005.pt" in capsys.readouterr().err


def test_a_damaged_optimizer_means_the_epoch_before(tmp_path):
    state = filled(tmp_path)
    damage(state.folder / "optimizer-0005.pt")
    assert state.newest(9) == 4
    assert state.newest(5) == 5  # nothing left to train needs none


def test_without_an_optimizer_training_starts_again(tmp_path):
    state = filled(tmp_path)
    cut(state.path(5))
    cut(state.path(4))
    assert state.newest(9) == 0
    assert state.newest(3) == 3


def test_a_damaged_epoch_that_was_asked_for_is_trained_again(tmp_path):
    state = filled(tmp_path)
    damage(state.path(5))
    damage(state.path(2))
    assert state.newest(5, needed=[4]) == 4
    assert state.newest(5, needed=[2]) == 0


def hold(folder, held, release):
    with State(folder, "key").locked(1):
        held.set()
        release.wait(20)


def test_a_second_writer_waits_then_refuses_naming_the_lock_and_the_first(tmp_path):
    context = multiprocessing.get_context("fork")
    held, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path, held, release))
    process.start()
    assert held.wait(20)
    started = time.monotonic()
    with pytest.raises(UserError, match=rf"Process {process.pid} on .* holds the lock .*key.lock .*end it"):
        with State(tmp_path, "key").locked(0.3):
            pass
    assert time.monotonic() - started >= 0.3
    process.kill()  # as after kill -9: the lock goes with its process
    process.join()
    with State(tmp_path, "key").locked(5):
        pass


def test_a_second_writer_goes_on_when_the_first_is_done(tmp_path, capsys):
    context = multiprocessing.get_context("fork")
    held, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path, held, release))
    process.start()
    assert held.wait(20)
    context.Process(target=lambda: (time.sleep(0.3), release.set())).start()
    with State(tmp_path, "key").locked(20):
        pass
    process.join()
    assert "waiting up to 20 s" in capsys.readouterr().err
