"""A model in forms that other programs run, held against PyTorch on the photos of val."""

import io
import json
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train_adapter.augment import middle
from train_adapter.errors import MissingPackage, TrainingError
from train_adapter.folder import read_folder
from train_adapter.onnx_model import load_onnx
from train_adapter.pictures import Pictures, pictures
from train_adapter.predict import Trained
from train_adapter.progress import Progress, silent

FORMS = ("onnx", "onnx-fp16", "onnx-int8", "onnx-int8-calibrated", "torchscript")
_CALIBRATION_PHOTOS = 128
_TIMED = 30
_WARM = 5

Answer = Callable[[np.ndarray], np.ndarray]  # (n, 3, px, px) float from 0 to 1 to (n, classes) logits


@dataclass(frozen=True, slots=True)
class Exported:
    """A written file, and how it compares with PyTorch on the photos of val. Latency is of one photo on the CPU."""

    form: str
    file: str
    megabytes: float
    agreement: float  # share of photos with the same class
    farthest: float  # largest difference of a probability
    accuracy: float
    latency_ms: float
    pytorch_latency_ms: float


def export(trained: Trained, forms: list[str], *, cache: Path, progress: Progress = silent) -> list[Exported]:
    """Writes model.onnx and so on beside the model, and export.json. Raises TrainingError, MissingPackage."""
    unknown = [form for form in forms if form not in FORMS]
    if unknown:
        raise TrainingError(f"there is no form {unknown[0]!r}", hint=f"there are: {', '.join(FORMS)}")
    folder = read_folder(trained.data)
    image = trained.recipe.image
    val = pictures(folder.parts["val"], image.kept_px, image.fit, cache, progress)
    network = trained.network.cpu().eval()

    @torch.no_grad()
    def by_torch(batch: np.ndarray) -> np.ndarray:
        logits: np.ndarray = network(torch.from_numpy(batch)).numpy()
        return logits

    wanted = _answers(by_torch, trained, val, "asking PyTorch", progress)
    by_torch_ms = _latency(by_torch, _one(trained, val, 0))
    found = []
    for form in forms:
        progress(f"writing {form}", 0, 1)
        file, answer = _write(form, trained, cache, progress)
        given = _answers(answer, trained, val, f"asking {form}", progress)
        size = sum(part.stat().st_size for part in [file, *file.parent.glob(f"{file.name}.data")])
        ours, theirs = _shares(wanted), _shares(given)
        found.append(
            Exported(
                form,
                file.name,
                round(size / 1e6, 3),
                float((ours.argmax(1) == theirs.argmax(1)).mean()),
                float(np.abs(ours - theirs).max()),
                float((theirs.argmax(1) == np.array(val.part.targets)).mean()),
                _latency(answer, _one(trained, val, 0)),
                by_torch_ms,
            )
        )
    text = json.dumps([asdict(e) for e in found], indent=2)
    (trained.run / "export.json").write_text(text + "\n", encoding="utf-8")
    return found


def _write(form: str, trained: Trained, cache: Path, progress: Progress) -> tuple[Path, Answer]:
    run = trained.run
    if form == "torchscript":
        file = run / "model.pt"
        _torchscript(trained, file)
        script = torch.jit.load(str(file))  # type: ignore[no-untyped-call]  # torch leaves it untyped

        @torch.no_grad()
        def by_script(batch: np.ndarray) -> np.ndarray:
            found: np.ndarray = script(torch.from_numpy(batch)).numpy()
            return found

        return file, by_script
    plain = run / "model.onnx"
    if form == "onnx" or not plain.exists():
        _onnx(trained, plain)
    file = run / f"model{form.removeprefix('onnx')}.onnx"
    if form == "onnx-fp16":
        _half(plain, file)
    elif form == "onnx-int8":
        _quantized(plain, file)
    elif form == "onnx-int8-calibrated":
        _calibrated(plain, file, trained, cache, progress)
    return file, load_onnx(file, len(trained.classes)).logits


def _onnx(trained: Trained, file: Path) -> None:
    _onnx_package("onnxscript")
    px = trained.recipe.image.px
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            trained.network,
            (torch.rand(2, 3, px, px),),
            str(file),
            input_names=["pictures"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("photos")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _half(plain: Path, file: Path) -> None:
    onnx = _onnx_package("onnx")
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(str(plain)), keep_io_types=True), str(file))


def _quantized(plain: Path, file: Path) -> None:
    """Weights as int8; the ranges of activations are taken as they come."""
    with _prepared(plain) as prepared:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(str(prepared), str(file), weight_type=QuantType.QUInt8)


def _calibrated(plain: Path, file: Path, trained: Trained, cache: Path, progress: Progress) -> None:
    """Weights and activations as int8, their ranges read off train photos."""
    image = trained.recipe.image
    train = pictures(read_folder(trained.data).parts["train"], image.kept_px, image.fit, cache, progress)
    step = max(1, len(train) // _CALIBRATION_PHOTOS)
    with _prepared(plain) as prepared:
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.calibrate import CalibrationDataReader

        class Photos(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is untyped
            def __init__(self) -> None:
                self._left: Iterator[int] = iter(range(0, len(train), step))

            def get_next(self) -> dict[str, np.ndarray] | None:
                n = next(self._left, None)
                return None if n is None else {"pictures": _one(trained, train, n)}

        with redirect_stdout(io.StringIO()):  # it prints
            quantize_static(
                str(prepared),
                str(file),
                Photos(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.Percentile,
            )


@contextmanager
def _prepared(plain: Path) -> Iterator[Path]:
    """The model with its graph simplified, without the shapes that its export wrote down: some no longer hold."""
    onnx = _onnx_package("onnx")
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = plain.with_suffix(".prepared.onnx")
    try:
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        model = onnx.load(str(prepared))
        del model.graph.value_info[:]
        onnx.save(model, str(prepared))
        yield prepared
    finally:
        prepared.unlink(missing_ok=True)


def _torchscript(trained: Trained, file: Path) -> None:
    px = trained.recipe.image.px
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(trained.network, torch.rand(1, 3, px, px))  # type: ignore[no-untyped-call]  # the same
        traced.save(str(file))


def _answers(answer: Answer, trained: Trained, val: Pictures, what: str, progress: Progress) -> np.ndarray:
    rows = []
    for n in range(len(val)):
        rows.append(answer(_one(trained, val, n)))
        progress(what, n + 1, len(val))
    return np.concatenate(rows)


def _one(trained: Trained, found: Pictures, n: int) -> np.ndarray:
    picture = middle(found[n], trained.recipe.image, None)[0]
    return picture.numpy()[None].astype(np.float32) / 255


def _shares(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).double().softmax(dim=1).numpy()


def _latency(answer: Answer, batch: np.ndarray) -> float:
    """The median of milliseconds."""
    spent = []
    for turn in range(_WARM + _TIMED):
        begun = time.perf_counter()
        answer(batch)
        if turn >= _WARM:
            spent.append(1000 * (time.perf_counter() - begun))
    return round(float(np.median(spent)), 2)


def _onnx_package(name: str) -> Any:
    try:
        return __import__(name)
    except ModuleNotFoundError:
        raise MissingPackage(f"this form needs the package {name}", hint='pip install "carharvest[export]"') from None
