"""Parts of an alpha of which a network is certain, and those of which it is not."""

import numpy as np
import pytest
from PIL import Image

from matting_keras import Matter, cli
from matting_keras.inference.finish import Finished
from matting_keras.inference.parts import sure
from matting_keras.weights.presets import find


def scene(chair: float = 0.0, person: float = 0.0) -> np.ndarray:
    """A soft-edged person at the left and a chair at the right, 120 x 160."""
    alpha = np.zeros((120, 160), np.float32)
    alpha[20:120, 10:60] = 0.6 * person
    alpha[24:120, 14:56] = person
    alpha[60:110, 110:150] = chair
    return alpha


def test_a_chair_goes_and_the_person_stays_as_it_was():
    kept = sure(scene(chair=0.9, person=0.99))
    np.testing.assert_array_equal(kept, scene(person=0.99))


def test_two_people_both_stay():
    two = scene(chair=0.99, person=0.99)
    assert sure(two) is two


def test_an_empty_room_is_empty():
    assert sure(scene(chair=0.95)).max() == 0
    assert sure(np.full((64, 64), 0.08, np.float32)).max() == 0
    speck = scene(chair=0.9)
    speck[80:82, 120:122] = 1  # certain, but of far less than a twentieth
    assert sure(speck).max() == 0


def test_loose_hair_and_a_hand_close_by_stay():
    alpha = scene(person=0.99)
    alpha[15:18, 30:32] = 0.4  # a strand, two pixels above the head's edge
    alpha[60:70, 61:66] = 0.8  # fingers, a pixel off
    assert sure(alpha) is alpha


def test_faint_edges_go_with_what_they_are_near_to():
    alpha = scene(chair=0.9, person=0.99)
    alpha[70, 64], alpha[70, 106] = 0.05, 0.05
    kept = sure(alpha)
    assert kept[70, 64] == np.float32(0.05) and kept[70, 106] == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (33, 2)])
def test_any_size(shape):
    assert sure(np.zeros(shape, np.float32)).max() == 0
    assert sure(np.ones(shape, np.float32)).min() == 1


def test_shipped_networks_are_held_to_what_they_are_sure_of(tiny_onnx):
    for shipped in ("dark-light", find("dark-light")):
        matter = Matter(shipped, levels=(0, 1))
        assert matter.parts == "sure" and isinstance(matter.runtime, Finished)
    assert Matter("dark-light", parts="all").parts == "all"
    assert Matter(tiny_onnx).parts == "all"


def test_what_it_takes_off_can_be_measured(tmp_path, capsys):
    rows, columns = np.mgrid[:96, :128]
    ball = np.hypot(rows - 50, columns - 64) < 30  # a pale ball on the floor is no person
    Image.fromarray(np.where(ball, 200, rows + 60).astype(np.uint8)).save(tmp_path / "room.png")
    found = []
    for words in ([], ["--parts", "all"]):
        asked = ["evaluate", "dark-light", "--data", str(tmp_path), "--people", "none", *words]
        assert cli.main(asked) == 0
        row = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("dark-light "))
        found.append(float(row.split()[2]))
    assert found[0] == 0 < found[1]


def test_what_is_known_already_is_sure_and_nothing_beside_it():
    alpha, known = np.zeros((2, 4, 60), np.float32)
    alpha[:, 2:20], alpha[:, 20:23], alpha[:, 40:56] = 0.9, 0.25, 0.9
    known[1:3, 10] = 0.95
    kept = sure(alpha, known=known)
    assert kept[:, :23].tolist() == alpha[:, :23].tolist() and not kept[:, 40:].any()
    assert not sure(alpha).any() and not sure(alpha, known=np.minimum(known, 0.4)).any()
