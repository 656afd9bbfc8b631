"""Runs the stages of a recipe with Lightning's loop; each can be resumed where it was interrupted."""

import json
import logging
import signal
import threading
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from train_adapter.activations import Progress, activations
from train_adapter.body import CarClassifier
from train_adapter.callbacks import EpochSeed, MetricsTable, News
from train_adapter.folder import Folder
from train_adapter.module import Batch, StageModule
from train_adapter.recipe import Recipe, Stage

_TAIL_BATCH = 64


@dataclass(frozen=True, slots=True)
class StageResult:
    """How a stage ended: its best epoch by val loss."""

    name: str
    best_val_loss: float
    best_checkpoint: str  # relative to the run
    epochs: int


class CutData(Dataset[Batch]):
    """What the frozen part gives for a part: each photo as it is, and mirrored where there is a second array."""

    def __init__(self, arrays: list[np.ndarray], targets: tuple[int, ...]) -> None:
        self._arrays = arrays
        self._targets = torch.tensor(targets)

    def __len__(self) -> int:
        return len(self._targets) * len(self._arrays)

    def __getitem__(self, index: int) -> Batch:
        which, position = divmod(index, len(self._targets))
        return torch.from_numpy(self._arrays[which][position].astype(np.float32)), self._targets[position]


def fit(
    model: CarClassifier,
    recipe: Recipe,
    folder: Folder,
    run: Path,
    cache: Path,
    body_id: str,
    seed: int,
    progress: Progress,
) -> list[StageResult]:
    """Trains the model by the recipe and leaves it with the weights of the best epoch by val loss.

    Checkpoints go to `run`/checkpoints/STAGE/; stages that are done are not run again.
    """
    _quiet()
    train, val = folder.parts["train"], folder.parts["val"]
    px = recipe.image_px
    straight = activations(model, train, px, body_id, cache, mirrored=False, progress=progress)
    mirrored = activations(model, train, px, body_id, cache, mirrored=True, progress=progress)
    held_out = activations(model, val, px, body_id, cache, mirrored=False, progress=progress)
    done = _finished_stages(run)
    results: list[StageResult] = []
    for stage in recipe.stages:
        if results:
            _load_weights(model, run / min(results, key=lambda r: r.best_val_loss).best_checkpoint)
        if stage.name in done:
            results.append(done[stage.name])
            continue
        arrays = [straight, mirrored, held_out]
        if stage.trains == "head":
            arrays = [features(model, array) for array in arrays]
        data = CutData(arrays[:2], train.targets)
        results.append(_fit_stage(model, recipe, stage, data, CutData(arrays[2:], val.targets), run, seed, progress))
        text = json.dumps([asdict(result) for result in results], indent=2)
        (run / "stages.json").write_text(text + "\n", encoding="utf-8")
    _load_weights(model, run / min(results, key=lambda r: r.best_val_loss).best_checkpoint)
    return results


@torch.no_grad()
def features(model: CarClassifier, array: np.ndarray) -> np.ndarray:
    """(n, features) of the tail for (n, channels, h, w) activations."""
    model.eval()
    parts = [
        model.tail(torch.from_numpy(array[start : start + _TAIL_BATCH].astype(np.float32))).numpy()
        for start in range(0, len(array), _TAIL_BATCH)
    ]
    return np.concatenate(parts)


def _fit_stage(
    model: CarClassifier,
    recipe: Recipe,
    stage: Stage,
    train: CutData,
    val: CutData,
    run: Path,
    seed: int,
    progress: Progress,
) -> StageResult:
    L.seed_everything(seed, verbose=False)
    checkpoints = run / "checkpoints" / stage.name
    # At the end of an epoch, not of its validation: only then is the epoch whole and can be gone on from.
    best = ModelCheckpoint(
        checkpoints, "best", monitor="val_loss", enable_version_counter=False, save_on_train_epoch_end=True
    )
    last = ModelCheckpoint(checkpoints, "last", enable_version_counter=False, save_on_train_epoch_end=True)
    module = StageModule(model, stage, recipe.label_smoothing)
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=stage.epochs,
        deterministic=True,
        logger=False,
        callbacks=[
            EarlyStopping("val_loss", patience=stage.patience, check_on_train_epoch_end=False),
            MetricsTable(run / "metrics.csv", stage.name),
            EpochSeed(seed),
            News(stage.name, progress),
            best,
            last,
        ],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=run,
    )
    # Lightning tells this sampler the epoch, so the order is the same after a resume.
    sampler: DistributedSampler[Batch] = DistributedSampler(train, num_replicas=1, rank=0, shuffle=True, seed=seed)
    resumed = checkpoints / "last.ckpt"
    module.train()  # Lightning keeps the modes it finds: dropout on, BatchNorm off
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(
            module,
            DataLoader(train, batch_size=recipe.batch, sampler=sampler),
            DataLoader(val, batch_size=recipe.batch),
            ckpt_path=resumed if resumed.exists() else None,
            weights_only=True,
        )
    except SystemExit:  # Lightning's answer to Ctrl-C
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
    found = torch.load(checkpoints / "best.ckpt", weights_only=True)
    return StageResult(
        stage.name,
        float(best.best_model_score) if best.best_model_score is not None else float("inf"),
        str((checkpoints / "best.ckpt").relative_to(run)),
        int(found["epoch"]) + 1,
    )


def _load_weights(model: CarClassifier, checkpoint: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in state.items()})


def _finished_stages(run: Path) -> dict[str, StageResult]:
    file = run / "stages.json"
    if not file.exists():
        return {}
    return {entry["name"]: StageResult(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))}


def _quiet() -> None:
    """Lightning's advice (more workers, longer logs) is for other kinds of runs."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
