#!/usr/bin/env bash
# Collects what a machine without network may lack, for Python 3.11 to 3.13 on Linux, x86-64.
#   benchmarks/gpu/wheels.sh FOLDER         keras, Hydra and what they need beside jax and PyYAML
#   benchmarks/gpu/wheels.sh FOLDER --all   and all else that training imports, but jax
set -euo pipefail
folder=${1:?usage: wheels.sh FOLDER [--all]}
python=${PYTHON:-python3}
version() { "$python" -c "import importlib.metadata as m; print('==' + m.version('$1'))" 2>/dev/null; }
packages=("keras$(version keras || true)" namex optree typing-extensions)
packages+=("hydra-core$(version hydra-core || true)" "omegaconf$(version omegaconf || true)")
if [[ ${2:-} == --all ]]; then
    packages+=(absl-py rich markdown-it-py mdurl pygments h5py ml-dtypes packaging pyyaml)
    packages+=(numpy scipy pillow tqdm opencv-python-headless)
fi
mkdir -p "$folder"
for version in 3.11 3.12 3.13; do
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --only-binary=:all: --implementation cp --python-version "$version" \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
        --platform manylinux_2_26_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 --dest "$folder" "${packages[@]}"
done
# OmegaConf's parser is published as source only; what is built of it fits every Python.
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder" \
    "antlr4-python3-runtime==4.9.3"
ls -l "$folder"
du -ch "$folder"/*.whl | tail -n 1
