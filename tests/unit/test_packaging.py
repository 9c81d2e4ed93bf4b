import tomllib

from tests.places import ROOT


def test_every_package_is_installed():
    """pyproject.toml lists them by hand; one that is missing there works only in the checkout."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = [
        path.parent.relative_to(ROOT) for path in (ROOT / "matting_keras").rglob("__init__.py")
    ]
    elsewhere = {"matting_keras.models"}  # the top folder models/, installed under this name
    assert set(listed) - elsewhere == {".".join(path.parts) for path in found}
