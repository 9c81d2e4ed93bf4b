import json
import logging
import socket
import threading

import pytest
import tensorflow as tf

from matting_keras.errors import InputError
from matting_keras.training.cluster import Cluster, meet, read_cluster
from matting_keras.training.command import overrides, parser, read_config
from matting_keras.training.config import check
from matting_keras.training.joining import check_shareable, connect, settings
from matting_keras.training.local_workers import free_ports, train_here
from matting_keras.training.run import train
from tests.places import ROOT

TWO = {"worker": ["a:1", "b:2"]}


def environment(cluster, kind="worker", index=0) -> dict:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def configured(line: str):
    return read_config(ROOT / "train" / "configs", overrides(parser().parse_args(line.split())))


def test_tf_config_names_the_workers():
    assert read_cluster(environment(TWO, index=1)) == Cluster(("a:1", "b:2"), 1)
    with_chief = {"chief": ["c:9"], "worker": ["a:1", "a:2"]}
    assert read_cluster(environment(with_chief, index=1)) == Cluster(("c:9", "a:1", "a:2"), 2)
    assert read_cluster(environment(with_chief, "chief")).index == 0
    there = read_cluster(environment(with_chief, index=1))
    assert read_cluster({"TF_CONFIG": there.as_config()}) == there


def test_a_worker_takes_the_gpu_of_its_number_on_its_host():
    addresses = ("a:1", "b:1", "a:2", "b:2", "[::1]:5", "[::1]:6")
    assert [Cluster(addresses, i).nth_on_host for i in range(6)] == [0, 0, 1, 1, 0, 1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "TF_CONFIG is not set"),
        ({"TF_CONFIG": "{'cluster': 1}"}, "TF_CONFIG cannot be read"),
        ({"TF_CONFIG": "[]"}, "TF_CONFIG cannot be read"),
        ({"TF_CONFIG": '{"cluster": {"worker": []}}'}, r"cannot be read \(KeyError\('task'\)\)"),
        (environment(TWO, index="x"), "cannot be read"),
        (environment(TWO, index=2), "worker 2, which is not in its cluster"),
        (environment(TWO, index=-1), "not in its cluster"),
        (environment(TWO, "chief"), "chief 0, which is not in its cluster"),
        (environment({**TWO, "ps": ["c:3"]}), "names 'ps'; there are only workers"),
        (environment({"worker": ["a", "b:2"]}), "the address 'a'; expected host:port"),
        (environment({"worker": ["a:1", "b:99999"]}), "'b:99999'; expected host:port"),
        (environment({"worker": ["a:1", "a:1"]}), "the same address twice"),
        (environment({"worker": ["a:1"]}), "names one worker only"),
    ],
)
def test_a_bad_tf_config_is_said(given, message):
    with pytest.raises(InputError, match=message):
        read_cluster(given)


def gather(count: int, abouts=None, patience=60.0, present=None) -> dict[int, str]:
    """Have workers meet, each in a thread; what those that failed said."""
    addresses = tuple(f"localhost:{port}" for port in free_ports(count))
    said: dict[int, str] = {}

    def attend(index: int) -> None:
        about = (abouts or [{"seed": "0"}] * count)[index]
        try:
            meet(Cluster(addresses, index), about, patience)
        except InputError as error:
            said[index] = str(error)

    threads = [threading.Thread(target=attend, args=(i,)) for i in present or range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def test_workers_meet():
    assert gather(3) == {}


def test_a_worker_that_is_not_there_is_named():
    message = gather(3, patience=1.0, present=[0, 2])[0]
    assert "not all workers were there within 1 seconds" in message
    assert "worker 1 (localhost:" in message
    assert "Connection refused" in message
    assert "worker 2" not in message


def test_workers_that_were_told_different_things_do_not_begin():
    abouts = [{"seed": "0", "epochs": "2"}, {"seed": "1", "epochs": "2"}]
    said = gather(2, abouts)
    assert "worker 1 (localhost:" in said[0]
    assert "seed: 0 here, 1 there" in said[0]
    assert "seed: 1 here, 0 there" in said[1]
    assert "epochs" not in said[0]


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("", 0)) as taken:
        mine = taken.getsockname()[1]
        with pytest.raises(InputError, match=r"worker 0 .* cannot listen on its port"):
            meet(Cluster((f"localhost:{mine}", "localhost:1"), 0), {}, 1)


def test_a_stranger_on_a_workers_port_is_said():
    def babble(listener):
        while True:
            try:
                other, _ = listener.accept()
            except OSError:
                return
            with other:
                other.sendall(b"\xff\x00 220 mail ready\n")

    (mine,) = free_ports(1)
    with socket.create_server(("", 0)) as stranger:
        threading.Thread(target=babble, args=(stranger,), daemon=True).start()
        addresses = (f"localhost:{mine}", f"localhost:{stranger.getsockname()[1]}")
        with pytest.raises(InputError, match=r"worker 1 .*: something else answers there"):
            meet(Cluster(addresses, 0), {}, 1)
        stranger.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trainer.batch_size=5", "must be a multiple of their number, 2"),
        ("--jit on", "XLA cannot compile a step that reduces over workers"),
        ("--lr auto", "find the rate first with `matting-keras lr-find`"),
    ],
)
def test_what_several_workers_cannot_do_is_said(line, message):
    with pytest.raises(InputError, match=message):
        check_shareable(configured(f"--strategy multi_worker {line}"), 2)


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(InputError, match="needs the TensorFlow backend, not jax"):
        check_shareable(configured("--strategy multi_worker"), 2)


def test_unknown_strategies_are_refused():
    with pytest.raises(InputError, match="--strategy must be one of none, mirrored, multi_worker"):
        check(configured("--strategy horovod"))


def test_a_training_waits_for_its_workers_as_long_as_it_is_told(monkeypatch):
    mine, other = free_ports(2)
    cluster = Cluster((f"localhost:{other}", f"localhost:{mine}"), 1)
    monkeypatch.setenv("TF_CONFIG", cluster.as_config())
    with pytest.raises(InputError, match="not all workers were there within 1 seconds"):
        train(configured("--strategy multi_worker trainer.patience=1"))


def test_a_process_that_has_computed_already_is_told(monkeypatch):
    monkeypatch.setattr("tensorflow.get_logger", lambda: logging.getLogger("unheard"))
    assert int(tf.constant(1) + 1) == 2
    with pytest.raises(InputError, match="TensorFlow has been used before in this process"):
        connect(Cluster(("localhost:1", "localhost:2"), 0), 60)


def test_mirrored_needs_two_gpus_or_a_number():
    with pytest.raises(InputError, match=r"--strategy mirrored: \d GPUs here"):
        train_here(configured("--strategy mirrored"))


def test_workers_may_have_their_data_in_different_places():
    here = settings(configured("--data /a --output /x trainer.resume=true"))
    assert here == settings(configured("--data /b --output /y"))
    assert here != settings(configured("--data /a recipe.learning_rate=1"))
