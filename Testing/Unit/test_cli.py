"""The command line: signature; every bad input one sentence, exit code 2, no file; results complete or absent."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from phantoms import torso, write
from test_dicom import write_series

from SSPELib import __version__
from SSPELib.bundle import ModelBundle
from SSPELib.cli.app import main
from SSPELib.errors import Cancelled
from SSPELib.expansion import Expander
from SSPELib.registration import Candidate, Registration
from SSPELib.registration.verdict import Findings
from SSPELib.volume import Volume, read_volume, slices

Run = Callable[..., SimpleNamespace]
SHIFT = sitk.VersorRigid3DTransform((0, 0, 1), 0.1, (12, -7, 20))


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_bundle: ModelBundle) -> Run:
    """Run `sspe` in this process with the tiny model as the bundled one."""
    from SSPELib import bundle

    load = bundle.load_bundle
    monkeypatch.setattr(bundle, "load_bundle", lambda name=None: load(name or tiny_bundle.folder))

    def call(*arguments: object) -> SimpleNamespace:
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return call


@pytest.fixture
def halves(tmp_path: Path) -> tuple[Path, Path]:
    """Two parts of a torso with 40 mm of overlap."""
    whole = torso(size=(48, 36, 64), spacing=(8, 8, 5))
    upper = write(slices(whole, 28, 64), tmp_path / "upper.nii.gz")
    lower = slices(torso(size=(48, 36, 64), spacing=(8, 8, 5), seed=1), 0, 36)
    return upper, write(lower, tmp_path / "lower.nii.gz")


@pytest.fixture
def instant_registration(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Replaces the registration by one that knows the answer at once; collects what it was called with."""
    calls: list[dict[str, object]] = []

    def register(fixed: object, moving: object, **options: object) -> Registration:
        calls.append({"fixed": fixed, "moving": moving, **options})
        return Registration(
            transform=SHIFT,
            transform_type="rigid",
            start=str(options["start"]),
            backend="instant",
            overlap_mm=40.0,
            synthetic_mm={"fixed": {"inferior": 65.0, "superior": 0.0}, "moving": {"inferior": 0.0, "superior": 65.0}},
            metric=0.91,
            metric_name="correlation",
            confidence=0.42,
            reliable=False,
            findings=Findings(12.5, 9.0, 8.0, 0.1, 0.4, 40.0, 0.2, True, True),
            reasons=("only bones agree",),
            seconds=1.5,
            candidates=(Candidate(SHIFT, 12.5, 40.0, 21.0, 5.7), Candidate(SHIFT, 3.5, 20.0, 51.0, 2.0)),
            warnings=("beware",),
        )

    monkeypatch.setattr("SSPELib.registration.register", register)
    return calls


def files_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_help_names_every_option_and_an_example(run: Run) -> None:
    signature = {
        "expand": ["INPUT", "OUTPUT", "--direction", "--distance", "--mask", "--model", "--device"],
        "register": [
            *["FIXED", "MOVING", "--transform", "--output", "--report", "--transform-type", "--start"],
            *["--no-expansion", "--device"],
        ],
        "demo": ["--output"],
        "train": ["CONFIG", "--output"],
        "import-dicom": ["SOURCE", "DEST", "--spacing", "--validation", "--test", "--seed", "--whole-studies"],
    }
    for command, words in signature.items():
        shown = run(command, "--help")
        assert shown.code == 0
        assert f"Example: sspe {command}" in shown.out
        assert [word for word in words if word not in shown.out] == []


def test_version(run: Run) -> None:
    assert run("--version").out == f"sspe {__version__}\n"


def test_help_loads_neither_torch_nor_simpleitk() -> None:
    program = (
        "import sys; from SSPELib.cli.app import main; main(['register', '--help']); "
        "sys.exit(len({'torch', 'SimpleITK', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


def test_expand_keeps_the_input_and_marks_what_is_new(run: Run, torso_file: Path, tiny_bundle: ModelBundle) -> None:
    before = torso_file.read_bytes()
    output, mask = torso_file.with_name("longer.nrrd"), torso_file.with_name("mask.nii.gz")
    done = run(
        *["expand", torso_file, output, "--direction", "both", "--distance", 32, "--mask", mask],
        *["--model", tiny_bundle.folder, "--device", "cpu"],
    )
    assert (done.code, done.out, done.err) == (0, "", "")
    original, longer = read_volume(torso_file), read_volume(output)
    assert longer.size == (48, 40, 40 + 2 * 7)
    np.testing.assert_array_equal(longer.array[7:-7], original.array)
    np.testing.assert_allclose(longer.origin[2], original.origin[2] - 7 * 5)
    marks = sitk.GetArrayFromImage(sitk.ReadImage(str(mask)))
    assert marks[:7].all()
    assert marks[-7:].all()
    assert not marks[7:-7].any()
    assert torso_file.read_bytes() == before
    assert files_in(torso_file.parent) == {"torso.nii.gz", "longer.nrrd", "mask.nii.gz"}


def test_expand_takes_a_dicom_folder(run: Run, tmp_path: Path) -> None:
    write_series(tmp_path / "série 1")
    assert run("expand", tmp_path / "série 1", tmp_path / "out.nii.gz", "--distance", 12, "--device", "cpu").code == 0
    assert read_volume(tmp_path / "out.nii.gz").size[2] == 24 + 2


def test_float_voxels_stay_floats(run: Run, tmp_path: Path, small_torso: Volume) -> None:
    array = small_torso.array.astype(np.float32) + 0.25
    write(small_torso.like(array), tmp_path / "in.nrrd")
    assert run("expand", tmp_path / "in.nrrd", tmp_path / "out.nrrd", "--distance", 10, "--device", "cpu").code == 0
    longer = read_volume(tmp_path / "out.nrrd")
    assert longer.array.dtype == np.float32
    np.testing.assert_array_equal(longer.array[2:], array)


def test_no_gpu_is_a_warning(run: Run, torso_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    done = run("expand", torso_file, torso_file.with_name("out.nii.gz"), "--distance", 10)
    assert done.code == 0
    assert done.err.startswith("Warning: No GPU was found")


def test_far_distance_is_a_warning_with_the_figures_of_the_model(run: Run, torso_file: Path) -> None:
    done = run("expand", torso_file, torso_file.with_name("out.nii.gz"), "--distance", 160, "--device", "cpu")
    assert done.code == 0
    assert "160 mm" in done.err
    assert "200 HU at 64 mm" in done.err


def test_body_cut_by_the_field_of_view_is_a_warning(run: Run, tmp_path: Path, small_torso: Volume) -> None:
    narrow = replace(small_torso, array=np.ascontiguousarray(small_torso.array[:, :, 14:-14]))
    write(narrow, tmp_path / "narrow.nii.gz")
    done = run("expand", tmp_path / "narrow.nii.gz", tmp_path / "out.nii.gz", "--distance", 10, "--device", "cpu")
    assert done.code == 0
    assert "field of view cuts the body" in done.err


def _changed(change: Callable[[np.ndarray], np.ndarray], name: str = "in.nii.gz") -> Callable[[Path, Volume], Path]:
    return lambda folder, volume: write(volume.like(change(volume.array)), folder / name)


def _image(image: sitk.Image, path: Path) -> Path:
    sitk.WriteImage(image, str(path))
    return path


def _series(change: Callable[[list[Path]], object], **options: object) -> Callable[[Path, Volume], Path]:
    def make(folder: Path, _: Volume) -> Path:
        change(write_series(folder / "series", **options))  # type: ignore[arg-type]
        return folder / "series"

    return make


def _tilted(folder: Path, _: Volume) -> Path:
    volume = torso(size=(24, 20, 24), spacing=(14.0, 13.0, 6.0))
    places = np.array([(volume.index_to_lps @ [0, 0, k, 1])[:3] for k in range(24)])
    places[:, 1] += 0.3 * np.arange(24)
    return write_series(folder / "series", volume, positions=places)[0].parent


BAD_INPUTS: dict[str, tuple[Callable[[Path, Volume], Path], str]] = {
    "missing": (lambda folder, _: folder / "nowhere.nii.gz", "does not exist"),
    "not an image": (lambda folder, _: _text(folder / "notes.txt"), "is not an image"),
    "tiny file": (lambda folder, _: _text(folder / "tiny.nii.gz", "x"), "is not an image"),
    "2-D": (lambda folder, _: _image(sitk.Image([40, 30], sitk.sitkInt16), folder / "in.nii.gz"), "2-D"),
    "4-D": (lambda folder, v: _image(sitk.JoinSeries([v.to_image()] * 2), folder / "in.nii.gz"), "4-D"),
    "vector": (lambda folder, v: _image(sitk.Compose([v.to_image()] * 3), folder / "in.nrrd"), "3 values a voxel"),
    "color": (lambda folder, _: _image(sitk.Image([9, 9, 30], sitk.sitkVectorUInt8, 3), folder / "in.mha"), "color"),
    "short": (lambda folder, v: write(slices(v, 0, 5), folder / "in.nii.gz"), "only 25.0 mm long"),
    "nan": (_changed(lambda a: np.where(a > 600, np.nan, a).astype(np.float32)), "NaN or infinite"),
    "infinite": (_changed(lambda a: np.where(a > 600, -np.inf, a).astype(np.float64), "in.mha"), "NaN or infinite"),
    "no body": (_changed(lambda a: np.full_like(a, -1000)), "no body is in view"),
    "mr": (_changed(lambda a: np.where(a > -300, a + 300, 3).astype(np.int16)), "no Hounsfield units"),
    "label map": (_changed(lambda a: (a > -300).astype(np.uint8)), "label map"),
    "stored values": (_changed(lambda a: (a + 1024).astype(np.uint16)), "without the rescale"),
    "missing slices": (_series(lambda files: files[9].unlink()), "1 DICOM slice is missing"),
    "gantry tilt": (_tilted, "gantry tilt"),
    "two series": (_series(lambda files: write_series(files[0].parent, series="B", prefix="b")), "2 DICOM series"),
    "no series": (lambda folder, _: folder, "holds no DICOM images"),
}


def _text(path: Path, text: str = "no image at all, " * 20) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", BAD_INPUTS)
def test_bad_input_is_one_sentence_code_2_and_no_file(
    run: Run, tmp_path: Path, small_torso: Volume, kind: str, halves: tuple[Path, Path]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    make, says = BAD_INPUTS[kind]
    path = make(tmp_path / "in", small_torso)
    for arguments in (
        ["expand", path, tmp_path / "out" / "longer.nii.gz", "--mask", tmp_path / "out" / "mask.nii.gz"],
        ["register", halves[0], path, "--transform", tmp_path / "out" / "found.tfm"],
        ["register", path, halves[1], "--transform", tmp_path / "out" / "found.tfm", "--no-expansion"],
    ):
        done = run(*arguments)
        assert done.code == 2
        assert done.out == ""
        assert done.err.startswith("Error: ")
        assert done.err.count("\n") == 1
        assert says in done.err
        assert str(path) in done.err
        assert files_in(tmp_path / "out") == set()


@pytest.mark.parametrize("distance", ["0", "-5", "400.5", "nan", "inf", "far"])
def test_distance_out_of_range(run: Run, torso_file: Path, distance: str) -> None:
    done = run("expand", torso_file, torso_file.with_name("out.nii.gz"), "--distance", distance)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "distance" in done.err
    assert files_in(torso_file.parent) == {"torso.nii.gz"}


def _without_weights(folder: Path) -> None:
    (folder / "weights.pt").unlink()


def _with_changed_weights(folder: Path) -> None:
    data = bytearray((folder / "weights.pt").read_bytes())
    data[len(data) // 2] ^= 255
    (folder / "weights.pt").write_bytes(bytes(data))


@pytest.mark.parametrize(("damage", "says"), [(_without_weights, "missing"), (_with_changed_weights, "changed")])
def test_weights_missing_or_changed(
    run: Run, torso_file: Path, tiny_bundle: ModelBundle, damage: Callable[[Path], None], says: str
) -> None:
    folder = torso_file.parent / "model"
    shutil.copytree(tiny_bundle.folder, folder)
    damage(folder)
    done = run("expand", torso_file, torso_file.with_name("out.nii.gz"), "--model", folder)
    assert done.code == 2
    assert says in done.err
    assert str(folder) in done.err
    assert files_in(torso_file.parent) == {"torso.nii.gz", "model"}


def test_device_that_is_not_there(run: Run, torso_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = run("expand", torso_file, torso_file.with_name("out.nii.gz"), "--device", "cuda")
    assert done.code == 2
    assert "cuda" in done.err
    assert files_in(torso_file.parent) == {"torso.nii.gz"}


@pytest.mark.parametrize("place", ["nowhere/out.nii.gz", "torso.nii.gz/out.nii.gz", "out.png", "torso.nii.gz"])
def test_output_that_cannot_be_written_stops_before_the_work(
    run: Run, torso_file: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the work began")

    monkeypatch.setattr("SSPELib.volume.reading._read_file", never)
    before = torso_file.read_bytes()
    done = run("expand", torso_file, torso_file.parent / place)
    assert done.code == 2
    assert str(torso_file.parent / place) in done.err
    assert torso_file.read_bytes() == before


def test_two_outputs_of_one_name(run: Run, torso_file: Path) -> None:
    out = torso_file.with_name("out.nii.gz")
    done = run("expand", torso_file, out, "--mask", out)
    assert done.code == 2
    assert "another output" in done.err


def test_same_file_twice_under_any_name(run: Run, halves: tuple[Path, Path], tmp_path: Path) -> None:
    upper = halves[0]
    link, copy, converted = (tmp_path / name for name in ("link.nii.gz", "copy.nii.gz", "copy.nrrd"))
    link.symlink_to(upper)
    shutil.copy(upper, copy)
    sitk.WriteImage(sitk.ReadImage(str(upper)), str(converted))
    for other in (upper, upper.parent / "." / upper.name, link, copy, converted):
        done = run("register", upper, other, "--transform", tmp_path / "found.tfm")
        assert done.code == 2
        assert "are the same" in done.err
    assert not (tmp_path / "found.tfm").exists()


def test_register_writes_all_it_was_asked_for(
    run: Run, halves: tuple[Path, Path], instant_registration: list[dict[str, object]]
) -> None:
    folder = halves[0].parent
    done = run(
        *["register", *halves, "--transform", folder / "found.tfm", "--output", folder / "moved.nii.gz"],
        *["--report", folder / "report.json", "--transform-type", "rigid", "--start", "unknown", "--device", "cpu"],
    )
    assert done.code == 0
    assert done.out == ""
    assert "Warning: beware" in done.err
    assert "not reliable (only bones agree)" in done.err
    (call,) = instant_registration
    assert (call["start"], call["transform_type"]) == ("unknown", "rigid")
    found = sitk.ReadTransform(str(folder / "found.tfm"))
    np.testing.assert_allclose(found.TransformPoint((10, 20, 30)), SHIFT.TransformPoint((10, 20, 30)), atol=1e-6)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["overlap_mm"] == 40.0
    assert report["synthetic_mm"]["fixed"] == {"inferior": 65.0, "superior": 0.0}
    assert (report["start"], report["metric"], report["reliable"], report["confidence"]) == (
        "unknown",
        0.91,
        False,
        0.42,
    )
    assert report["seconds"] > 0
    assert report["model"] == "tiny"
    assert (report["fixed"], report["moving"]) == (str(halves[0]), str(halves[1]))
    assert "only bones agree" in (folder / "report.html").read_text(encoding="utf-8")
    expected = {"upper.nii.gz", "lower.nii.gz", "found.tfm", "moved.nii.gz", "report.json", "report.html"}
    assert files_in(folder) == expected


def test_register_without_expansion_uses_the_real_volumes_alone(
    run: Run, halves: tuple[Path, Path], instant_registration: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("SSPELib.bundle.load_bundle", lambda name=None: pytest.fail("the model was loaded"))
    done = run("register", *halves, "--transform", halves[0].with_name("found.h5"), "--no-expansion")
    assert done.code == 0
    (call,) = instant_registration
    assert isinstance(call["fixed"], Volume)
    assert isinstance(call["moving"], Volume)


@pytest.mark.parametrize(
    "extra", [["--report", "report.txt"], ["--output", "moved.png"], ["--report", "nowhere/report.json"]]
)
def test_register_checks_every_output_first(
    run: Run, halves: tuple[Path, Path], extra: list[str], instant_registration: list[dict[str, object]]
) -> None:
    folder = halves[0].parent
    done = run("register", *halves, "--transform", folder / "found.tfm", extra[0], folder / extra[1])
    assert done.code == 2
    assert extra[1] in done.err
    assert instant_registration == []
    assert files_in(folder) == {"upper.nii.gz", "lower.nii.gz"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Cancelled()])
def test_interruption_leaves_nothing(
    run: Run, torso_file: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Expander, "expand", interrupted)
    done = run("expand", torso_file, torso_file.with_name("out.nii.gz"), "--device", "cpu")
    assert done.code == 130
    assert done.err == "Interrupted; nothing was written.\n"
    assert files_in(torso_file.parent) == {"torso.nii.gz"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child process")
def test_control_c_while_writing_leaves_nothing(torso_file: Path, tiny_bundle: ModelBundle) -> None:
    program = (
        "import signal, sys, time\n"
        # Tests that were themselves started in the background inherit an ignored Control-C.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import SSPELib.volume.writing as writing\n"
        "from SSPELib.cli.app import main\n"
        "plain = writing.Outputs.image\n"
        "def slow(self, image, path):\n"
        "    plain(self, image, path)\n"
        "    print('written', flush=True)\n"
        "    time.sleep(60)\n"
        "writing.Outputs.image = slow\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    output = torso_file.with_name("out.nii.gz")
    command = [sys.executable, "-c", program, "expand", str(torso_file), str(output), "--distance", "10"]
    with subprocess.Popen(
        [*command, "--model", str(tiny_bundle.folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted" in said
    assert files_in(torso_file.parent) == {"torso.nii.gz"}


def test_training_without_its_packages_says_how_to_get_them(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _text(tmp_path / "config.toml", "")
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    monkeypatch.delitem(sys.modules, "SSPELib.training.run", raising=False)
    done = run("train", tmp_path / "config.toml")
    assert done.code == 2
    assert "pip install 'sspe[train]'" in done.err


def test_training_needs_a_configuration(run: Run, tmp_path: Path) -> None:
    assert "nowhere.toml is neither a file nor a shipped configuration" in run("train", tmp_path / "nowhere.toml").err


@pytest.mark.parametrize(
    "arguments",
    [["expand"], ["enlarge"], ["expand", "a", "b", "--direction", "up"], ["register", "a", "b"], ["expand", "--no"]],
)
def test_wrong_usage_is_one_sentence_that_points_to_the_help(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "--help" in done.err
