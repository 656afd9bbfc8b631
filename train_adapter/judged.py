"""The evaluation of a finished run, on its own split or on another of the same classes."""

from pathlib import Path

from train_adapter.errors import TrainingError
from train_adapter.evaluate import Evaluation
from train_adapter.folder import read_folder
from train_adapter.pictures import pictures
from train_adapter.predict import Trained
from train_adapter.progress import Progress, silent
from train_adapter.train import judge


def judged_run(trained: Trained, data: Path, part: str, *, cache: Path, progress: Progress = silent) -> Evaluation:
    """The scores of a trained model on a part of a folder, at the temperature of its run. Raises TrainingError."""
    folder = read_folder(data)
    if folder.classes != trained.classes:
        odd = ", ".join(sorted(set(folder.classes) ^ set(trained.classes))) or "their order"
        raise TrainingError(f"{data} has other classes than the run: {odd}", hint="name a split of the same classes")
    image = trained.recipe.image
    held = pictures(folder.parts[part], image.kept_px, image.fit, cache, progress)
    return judge(trained.network, trained.recipe, folder, held, trained.temperature, progress)[0]
