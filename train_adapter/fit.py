"""Runs the stages of a recipe with Lightning's loop; each can be resumed where it was interrupted."""

import gc
import json
import logging
import warnings
from dataclasses import asdict
from pathlib import Path

import torch

from train_adapter.activations import activations, features
from train_adapter.augment import Changes
from train_adapter.errors import TrainingError
from train_adapter.folder import mirrored_classes
from train_adapter.job import Data, Job, StageResult
from train_adapter.loading import ActivationData, PictureData
from train_adapter.network import Network
from train_adapter.one_stage import run_stage
from train_adapter.recipe import Recipe, Stage


def fit(network: Network, job: Job) -> list[StageResult]:
    """Trains the network by the recipe and leaves it with the weights of the best epoch.

    Checkpoints go to `run`/checkpoints/STAGE/; stages that are done are not run again.
    """
    quiet()
    recipe = job.recipe
    network.to(job.device.torch)
    done = _finished_stages(job.run)
    results: list[StageResult] = []
    for stage in recipe.stages:
        if results:
            _load_weights(network, job.run / best_of(results, recipe).best_checkpoint)
        if stage.name in done:
            results.append(done[stage.name])
            continue
        results.append(_fit_stage(network, stage, job))
        text = json.dumps([asdict(result) for result in results], indent=2)
        (job.run / "stages.json").write_text(text + "\n", encoding="utf-8")
    _load_weights(network, job.run / best_of(results, recipe).best_checkpoint)
    return results


def best_of(results: list[StageResult], recipe: Recipe) -> StageResult:
    """The stage whose best epoch is the model; the first of equals."""
    if recipe.monitor == "val_loss":
        return min(results, key=lambda result: result.best)
    return max(results, key=lambda result: result.best)


def micro_batches(batch: int) -> list[int]:
    """Sizes to try one after the other: each divides `batch` and is at most half of the one before."""
    sizes = [batch]
    while sizes[-1] > 1:
        sizes.append(max(n for n in range(1, sizes[-1] // 2 + 1) if batch % n == 0))
    return sizes


def out_of_memory(error: RuntimeError) -> bool:
    """Whether memory is what is missing, on whichever device."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _fit_stage(network: Network, stage: Stage, job: Job) -> StageResult:
    """Where the memory does not do, it goes on from the last whole epoch with smaller batches and the same steps."""
    begun = {name: tensor.cpu().clone() for name, tensor in network.state_dict().items()}
    train, val = _data(network, stage, job)
    for size in micro_batches(job.recipe.batch):
        try:
            return run_stage(network, stage, job, train, val, size)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
        # Outside the handler: there, the traceback would keep the memory.
        job.progress(f"out of memory at {size} photos a batch: going on with fewer", 0, stage.epochs)
        network.load_state_dict(begun)
        gc.collect()
        torch.cuda.empty_cache()
    raise TrainingError(
        "the memory does not do for a single photo", hint="use a smaller body (--set body=…) or smaller pictures"
    )


def _data(network: Network, stage: Stage, job: Job) -> tuple[Data, Data]:
    recipe, folder = job.recipe, job.folder
    train, val = job.pictures["train"], job.pictures["val"]
    if stage.sees == "pictures":
        changes = Changes(recipe.augment, recipe.image, mirrored_classes(folder.classes))
        return (
            PictureData(train, recipe.image, changes, job.seed, recipe.boxes),
            PictureData(val, recipe.image, None, job.seed, recipe.boxes),
        )
    arrays = [activations(network, train, recipe, job.cache, mirrored=False, progress=job.progress)]
    targets = [folder.parts["train"].targets]
    sides = mirrored_classes(folder.classes) if recipe.augment.flip else None
    if sides is not None:
        arrays.append(activations(network, train, recipe, job.cache, mirrored=True, progress=job.progress))
        targets.append(tuple(sides[target] for target in targets[0]))
    held_out = activations(network, val, recipe, job.cache, mirrored=False, progress=job.progress)
    if stage.trains == "head":
        arrays = [features(network, array) for array in arrays]
        held_out = features(network, held_out)
    return (
        ActivationData(arrays, targets, job.seed),
        ActivationData([held_out], [folder.parts["val"].targets], job.seed),
    )


def _load_weights(network: Network, checkpoint: Path) -> None:
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")["state_dict"]
    network.load_state_dict({name.removeprefix("network."): tensor for name, tensor in state.items()})


def _finished_stages(run: Path) -> dict[str, StageResult]:
    file = run / "stages.json"
    if not file.exists():
        return {}
    return {entry["name"]: StageResult(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))}


def quiet() -> None:
    """Lightning's advice (more workers, longer logs) is for other kinds of runs."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
