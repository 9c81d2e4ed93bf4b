"""`matting-keras COMMAND`, the same as `python -m matting_keras COMMAND`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from matting_keras import __version__
from matting_keras.errors import InputError
from matting_keras.standard import reader_has_left
from matting_keras.weights.presets import DEFAULT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns 0, or 1 after a message on stderr."""
    from matting_keras.training.flags import parsed

    flags = parsed(parser(), arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return flags.run(flags) or 0
    except InputError as error:
        given = sys.argv[1:] if arguments is None else arguments
        print(f"error: {_as_given(str(error), given)}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        reader_has_left()
        return 1
    except KeyboardInterrupt:
        print("stopped; what is written stays.", file=sys.stderr)
        return 130


def _as_given(message: str, arguments: Sequence[str]) -> str:
    """What is wrong with a data set, without an option that was not given: `label` has none."""
    if any(word.startswith("--data") for word in arguments):
        return message
    return message.removeprefix("--data ")


def parser() -> argparse.ArgumentParser:
    """All commands and their flags."""
    from matting_keras import quantize_command as quantize
    from matting_keras.app import command as app
    from matting_keras.benchmark import command as benchmark
    from matting_keras.training import lr_command as lr
    from matting_keras.weights import average_command as average
    from matting_keras.weights import convert_command as convert

    top = argparse.ArgumentParser(prog="matting-keras", description="Portrait matting in Keras 3.")
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, add, run, summary in (
        ("export", _export_options, _export, "fuse, fold, write, verify"),
        ("quantize", quantize.add_options, quantize.run, "an exported network in 8 bits"),
        ("matte", _matte_options, _matte, "cut out pictures and folders of pictures"),
        (
            "convert",
            convert.add_options,
            convert.run,
            "other projects' weights into ours, and back",
        ),
        ("average", average.add_options, average.run, "one network out of several trainings of it"),
        ("evaluate", _evaluate_options, _evaluate, "scores on photos with known alpha"),
        ("label", _label_options, _label, "alphas for photos, made by a network"),
        ("compose", _compose_options, _compose, "people in front of new backgrounds"),
        ("benchmark", benchmark.add_options, benchmark.run, "what this costs on this machine"),
        ("lr-find", lr.add_options, lr.run, "the learning rate to train a network with"),
        ("app", app.add_options, app.run, "a web page on this computer to cut people out"),
        ("info", _info_options, _info, "networks and shipped weights, or a data set"),
    ):
        command = commands.add_parser(name, help=summary, description=f"{summary}.")
        command.set_defaults(run=run)
        add(command)
    return top


def _spread_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--processes", type=int, metavar="N", help="default: one for each core")
    command.add_argument(
        "--beam",
        nargs="?",
        const="",
        metavar="OPTIONS",
        help="spread the work by Apache Beam: --beam='--runner=FlinkRunner --parallelism=8'",
    )


def _export_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("weights", help="a .keras file or a preset's name")
    command.add_argument(
        "--format",
        default="onnx",
        choices=("onnx", "saved_model", "keras", "litert", "openvino"),
    )
    command.add_argument("--output", required=True, metavar="PATH")
    command.add_argument(
        "--area",
        type=int,
        metavar="PIXELS",
        help="height times width of the input at which it does best, such as it was trained at; "
        "an ONNX file says so (default: the network's)",
    )
    command.add_argument(
        "--half",
        action="store_true",
        help="keep an ONNX file's weights in half precision: half the file, as fast as ever",
    )


def _export(flags: argparse.Namespace) -> None:
    from matting_keras.atomic import atomic_path
    from matting_keras.export import describe, export
    from matting_keras.weights.files import load

    model = load(flags.weights)
    print(export(model, flags.output, flags.format, area=flags.area, half=flags.half))
    with atomic_path(Path(flags.output).with_suffix(".json")) as path:
        path.write_text(describe(model), encoding="utf-8")


def _matte_options(command: argparse.ArgumentParser) -> None:
    from matting_keras.inference.options import add_finding

    command.add_argument("paths", nargs="+", metavar="PATH")
    command.add_argument("--output", required=True, metavar="DIR")
    command.add_argument("--weights", default=DEFAULT, help="a preset or a file")
    command.add_argument("--alpha-only", action="store_true", help="8-bit mattes, not cut-outs")
    command.add_argument("--overwrite", action="store_true", help="do again what is done")
    add_finding(command)


def _matte(flags: argparse.Namespace) -> int:
    from tqdm import tqdm

    from matting_keras.inference.bulk import matte_pictures, pictures
    from matting_keras.inference.options import finder

    jobs = pictures(flags.paths, Path(flags.output))
    outcomes = matte_pictures(
        jobs,
        finder(flags, flags.weights),
        alpha_only=flags.alpha_only,
        foreground=flags.foreground,
        overwrite=flags.overwrite,
        max_pixels=flags.max_pixels,
    )
    failed = 0
    for outcome in tqdm(outcomes, "matting", len(jobs), disable=None, leave=False):
        if outcome.error:
            failed += 1
            print(f"error: {outcome.error}", file=sys.stderr)
        elif not outcome.skipped:
            print(outcome.target, flush=True)
    if failed:
        print(f"{failed} of {len(jobs)} pictures could not be cut out", file=sys.stderr)
    return 1 if failed else 0


def _evaluate_options(command: argparse.ArgumentParser) -> None:
    from matting_keras.changes import CHANGES
    from matting_keras.inference.options import add_looks_and_levels
    from matting_keras.inference.parts import PARTS, PARTS_HELP

    command.add_argument("weights", nargs="*", help="presets, .onnx or .keras files")
    command.add_argument(
        "--predictions", nargs="+", default=[], metavar="DIR", help="mattes made by something else"
    )
    command.add_argument(
        "--peer",
        nargs="+",
        default=[],
        metavar="FILE",
        help="others' files, run as they want it: U²-Net(P) or MODNet .onnx, MediaPipe .tflite",
    )
    command.add_argument(
        "--data", required=True, nargs="+", metavar="DIR", help="folders, or NAME:PATH"
    )
    command.add_argument(
        "--people",
        default="all",
        choices=("all", "held-back", "none", "none-held-back"),
        help="held-back: only those that training on the same folder keeps for validation; none: "
        "pictures in which nobody is; none-held-back: those that training with the folder as "
        "backgrounds leaves out",
    )
    command.add_argument(
        "--changed",
        nargs="+",
        default=[],
        choices=(*CHANGES, "all"),
        help="also with photos made worse",
    )
    command.add_argument(
        "--grad", action="store_true", help="Grad and Conn on hard masks too, whose steps they see"
    )
    command.add_argument("--area", type=int, help="input height times width, in pixels")
    command.add_argument("--parts", choices=PARTS, help=PARTS_HELP)
    add_looks_and_levels(command)
    command.add_argument("--json", metavar="FILE", help="also write every photo's figures")
    command.add_argument("--report", metavar="DIR", help="also write a page with pictures")


def _evaluate(flags: argparse.Namespace) -> None:
    from matting_keras.changes import CHANGES
    from matting_keras.evaluate import evaluate, write_json
    from matting_keras.report import write_report
    from matting_keras.report.text import header, line, worst

    for folder in flags.predictions:
        if not Path(folder).is_dir():
            raise InputError(f"--predictions {folder}: no such folder.")
    if not (flags.weights or flags.predictions or flags.peer):
        raise InputError(
            "nothing to evaluate: name weights, a folder after --predictions, or a file after "
            "--peer."
        )
    shared = ("people", "area", "parts", "looks", "levels", "finer", "refine")
    options = {name: getattr(flags, name) for name in shared} | {"edges": flags.grad}
    runs = [(name, {}) for name in (*flags.weights, *flags.predictions)]
    runs += [(name, {"peer": True}) for name in flags.peer]
    done = []
    changes = CHANGES if "all" in flags.changed else flags.changed
    for folder, change in product(flags.data, [None, *changes]):
        for number, (model, how) in enumerate(runs):
            done.append(evaluate(model, folder, change=change, **options, **how))
            print(line(done[-1]) if number else f"{header(done[-1])}\n{line(done[-1])}", flush=True)
        if done[-1].truth == "empty":
            print(worst(done[-len(runs) :]))
        if done[-1].truth == "binary" and not flags.grad:
            print("Grad and Conn are left out: of hard masks they measure the steps (--grad).")
    if flags.json:
        write_json(done, flags.json)
    if flags.report:
        print(write_report(done, flags.report))


def _label_options(command: argparse.ArgumentParser) -> None:
    from matting_keras.inference.looks import LOOKS

    command.add_argument("photos", metavar="PHOTOS", help="a folder of them")
    command.add_argument("--output", required=True, metavar="DIR", help="the data folder to write")
    command.add_argument(
        "--teacher",
        nargs="+",
        default=[],
        metavar="FILE|PRESET",
        help="exported files of ours or published ones: MODNet, U²-Net (.onnx), MediaPipe; of "
        "several the mean counts",
    )
    command.add_argument(
        "--looks", type=int, choices=LOOKS, help="of each teacher; 2: also at the mirror image"
    )
    command.add_argument("--masks", metavar="DIR", help="rough masks, named as the photos")
    command.add_argument("--refine", default="teacher", metavar="teacher|closed-form|mean")
    command.add_argument(
        "--threshold", type=float, default=0.15, help="disagreement to set aside (default 0.15)"
    )
    _spread_options(command)


def _label(flags: argparse.Namespace) -> int:
    from matting_keras.workshop.command import run_label
    from matting_keras.workshop.label import Settings

    teacher, *others = flags.teacher or [None]
    settings = Settings(
        teacher, flags.masks, flags.refine, flags.threshold, tuple(others), flags.looks
    )
    how = {"processes": flags.processes, "beam": flags.beam}
    return run_label(flags.photos, flags.output, settings, **how)


def _compose_options(command: argparse.ArgumentParser) -> None:
    from matting_keras.workshop.compose_command import add_options

    add_options(command)
    _spread_options(command)


def _compose(flags: argparse.Namespace) -> int:
    from matting_keras.workshop.compose_command import run

    return run(flags)


def _info_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", metavar="SPEC", help="a folder, or NAME:PATH")
    command.add_argument("--sheet", metavar="FILE.png", help="24 photos beside their cut-outs")


def _info(flags: argparse.Namespace) -> None:
    if flags.sheet and not flags.data:
        raise InputError("--sheet shows photos of a data set; name it with --data.")
    if flags.data:
        from matting_keras.data.inventory import contact_sheet, describe

        print(describe(flags.data))
        if flags.sheet:
            print(f"{flags.sheet}: {contact_sheet(flags.data, flags.sheet)} photos")
        return
    from matting_keras.architectures.registry import ARCHITECTURES, build
    from matting_keras.complexity import counts
    from matting_keras.weights.presets import PRESETS, of, size

    print(f"{'':12}{'':8}multiply-accumulates   weights")
    print(f"{'network':12}{'parameters':>11}{'at 256²':>10}{'at 512²':>10}   shipped")
    for name, architecture in ARCHITECTURES.items():
        parameters, small, large = architecture.counts or counts(build(name))
        shipped = ", ".join(of(name)) or "none"
        print(f"{name:12}{parameters:11,}{small / 1e9:8.2f} G{large / 1e9:8.2f} G   {shipped}")
        print(f"{'':12}{architecture.summary}", flush=True)
    for name, preset in PRESETS.items():
        print(f"\n{name}: {size(name) / 1e6:.1f} MB; {preset.licence}.\n  From {preset.data}.")


if __name__ == "__main__":
    sys.exit(main())
