"""Upstream's own weights and outputs, where the data is at hand."""

import numpy as np
import pytest

from matting_keras import fold, fuse
from matting_keras.weights.legacy import convert_legacy
from tests.places import DATA

GOLDEN = DATA / "golden"
PRE, MERGED = GOLDEN / "dark-light-pre-50-0.9735.h5", GOLDEN / "dark-light-50-0.9735.h5"

pytestmark = pytest.mark.skipif(
    not PRE.is_file(), reason=f"golden files are not at {GOLDEN}; see CONTRIBUTING.md"
)


def test_fusing_upstreams_branches_gives_upstreams_merge_exactly():
    fused = fuse(convert_legacy(PRE, "dark-light", original=True))
    merged = convert_legacy(MERGED, "dark-light", original=True)
    assert len(fused.weights) == len(merged.weights) == 96
    for ours, theirs in zip(fused.weights, merged.weights, strict=True):
        np.testing.assert_array_equal(np.array(ours), np.array(theirs), err_msg=ours.path)


@pytest.mark.parametrize(
    ("file", "key"), [(PRE, "dark_light_pre"), (MERGED, "dark_light")], ids=["pre", "merged"]
)
@pytest.mark.parametrize("original", [True, False])
def test_outputs_equal_upstreams(file, key, original):
    golden = np.load(GOLDEN / "golden_darklight.npz")
    model = convert_legacy(file, "dark-light", original=original)
    wanted = golden[key][..., 1:]
    np.testing.assert_allclose(np.array(model(golden["x"])), wanted, atol=1e-5)
    np.testing.assert_allclose(np.array(fold(model)(golden["x"])), wanted, atol=1e-5)
