#!/usr/bin/env bash
# One training on a GPU machine without network, from carried files to $OUT. Settings by
# environment; see README.md beside this.
#   OUT       folder for what comes back                      PACKS    the packs (globs will do)
#   ARCH      network, or "none" for no training              MINUTES  of training, start included
#   PRECISION mixed_bfloat16, mixed_float16 or float32        WORDS    settings, as group.key=value
#   WHEELS    folder of carried wheels                        RESUME   "kept", or a state.npz.aa
#   TIMES     minutes for throughput.py beforehand; 0: none   TIMED    flags of throughput.py
#   GRACE     seconds after which a training that outlasts MINUTES is stopped, 90 if not given
#   KEEP      folder that outlives the call (packs, runs, compiled programs)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
: "${OUT:?OUT names the folder for what comes back}"
python=${PYTHON:-python3} keep=${KEEP:-${TMPDIR:-/tmp}/matting-gpu} arch=${ARCH:-dark-light}
export KERAS_BACKEND=jax PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=2 KERAS_HOME=$keep/keras
export JAX_COMPILATION_CACHE_DIR=$keep/programs PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
# Half the seconds for random weights, whose programs are compiled one by one.
export JAX_THREEFRY_PARTITIONABLE=0
mkdir -p "$OUT" "$keep/packs" "$keep/site"

step() { printf '== %s (%d s)\n' "$*" "$SECONDS"; }

step "packages"
if ! "$python" -c 'import keras, hydra' 2>/dev/null; then
    # Only what is lacking: the machine's own packages fit its jax.
    mapfile -t names < <("$python" - "${WHEELS:?keras is not there: WHEELS names a folder}" <<'EOF'
import importlib.util, pathlib, sys
homes = {"opencv_python_headless": "cv2", "absl_py": "absl", "pillow": "PIL", "pyyaml": "yaml"}
homes |= {"markdown_it_py": "markdown_it", "hydra_core": "hydra", "h5py": "h5py"}
homes |= {"antlr4_python3_runtime": "antlr4"}
names = {path.name.split("-")[0].lower() for path in pathlib.Path(sys.argv[1]).glob("*.whl")}
print(*sorted(n for n in names if not importlib.util.find_spec(homes.get(n, n))), sep="\n")
EOF
    )
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --upgrade \
        --disable-pip-version-check --root-user-action ignore \
        --find-links "$WHEELS" --target "$keep/site" "${names[@]}"
    export PYTHONPATH=$keep/site:$PYTHONPATH
fi

step "machine"
nvidia-smi --query-gpu=name,memory.used,utilization.gpu --format=csv,noheader 2>/dev/null || true
"$python" - <<'EOF'
import os, sys
import jax, optree, keras, numpy
from PIL import features
device = jax.devices()[0]
print(f"python {sys.version.split()[0]}, jax {jax.__version__}, keras {keras.__version__}, "
      f"numpy {numpy.__version__}, {device.device_kind}, {os.cpu_count()} cores")
if device.platform != "gpu" and not os.environ.get("ALLOW_CPU"):
    sys.exit("jax sees no GPU; set ALLOW_CPU=1 to go on nevertheless")
if not features.check("webp"):
    sys.exit("this Pillow reads no WebP; write the packs with --raw")
EOF

if [[ -n ${PACKS:-} ]]; then
    # Packs of earlier calls are still there while the machine is kept.
    for pack in $PACKS; do cp -u "$pack" "$keep/packs/"; done
fi
ls -l "$keep/packs"

if [[ ${TIMES:-0} != 0 ]]; then
    step "throughput"
    "$python" -m benchmarks.gpu.throughput --json "$OUT/throughput.json" --minutes "$TIMES" \
        ${TIMED:-}
fi

if [[ $arch != none ]]; then
    step "training $arch"
    folder=$keep/runs/$arch minutes=${MINUTES:-8} status=0 resume=()
    if [[ -n ${RESUME:-} ]]; then
        resume=(--resume)
        if [[ $RESUME != kept ]]; then
            mkdir -p "$folder"
            cat "${RESUME%.aa}".a? >"$folder/state.npz"
            for file in best.keras log.csv; do
                cp "$(dirname "$RESUME")/$file" "$folder/"
            done
        fi
    fi
    packs=("$keep"/packs/*.pack)
    # It stops by itself; should it hang, what it has still comes back.
    timeout "$(awk "BEGIN { print int(60 * $minutes + ${GRACE:-90}) }")" \
        "$python" train/train.py --arch "$arch" --data "${packs[@]/#/packed:}" \
        --output "$folder" --precision "${PRECISION:-mixed_bfloat16}" "${resume[@]}" \
        trainer=gpu "trainer.minutes=$minutes" ${WORDS:-} || status=$?
    cp "$folder"/{best.keras,log.csv,run.json} "$OUT/" || exit 1
    # Files of more than 16 MiB do not come back.
    split --bytes=15M --suffix-length=2 "$folder/state.npz" "$OUT/state.npz."
    ((status == 0)) || echo "training ended with status $status; what it had is there" >&2
fi
step "done"
ls -l "$OUT"
exit "${status:-0}"
