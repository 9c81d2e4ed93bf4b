import tomllib

from tests.places import ROOT


def setuptools() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_installed():
    """pyproject.toml lists them by hand; one that is missing there works only in the checkout."""
    listed = setuptools()["packages"]
    found = [
        path.parent.relative_to(ROOT) for path in (ROOT / "matting_keras").rglob("__init__.py")
    ]
    # The folders models/ and train/configs/, installed under these names.
    elsewhere = {"matting_keras.models", "matting_keras.configs"}
    assert set(listed) - elsewhere == {".".join(path.parts) for path in found}


def test_every_setting_is_installed():
    """`matting-keras lr-find` reads them where there is no checkout."""
    name = "matting_keras.configs"
    folder, patterns = ROOT / setuptools()["package-dir"][name], setuptools()["package-data"][name]
    packed = {path for pattern in patterns for path in folder.glob(pattern)}
    assert packed == {path for path in folder.rglob("*") if path.is_file()}
    assert folder / "config.yaml" in packed
