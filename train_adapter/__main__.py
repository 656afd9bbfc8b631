"""python -m train_adapter --data DIR --recipe NAME: training on any ImageFolder, without the rest of carharvest."""

import argparse
import json
import sys
from pathlib import Path

from train_adapter.device import DEVICES, pick_device
from train_adapter.errors import TrainingError
from train_adapter.recipe import default_recipe, load_recipe, recipe_names
from train_adapter.train import Options, train

_COLLAPSED = 26


def main(arguments: list[str] | None = None) -> int:
    """Trains, prints the result as JSON; gives the exit code: 1 for an error, 26 for a model that learned nothing."""
    parser = argparse.ArgumentParser(prog="python -m train_adapter", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with train, val and test, a folder a class")
    parser.add_argument(
        "--recipe", help=f"{', '.join(recipe_names())}, or the path of a YAML file (default: fast-cpu; best on a GPU)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="such as optimizer.lr=3e-4")
    parser.add_argument("--weights", help="hub, lite0, lite1, lite2, scratch, or a file")
    parser.add_argument("--run", type=Path, default=Path("runs/run"), help="where the run goes (default: runs/run)")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="where decoded photos are kept")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--workers", type=int, help="processes that prepare pictures")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument("--despite-leaks", action="store_true", help="train though parts share photos")
    given = parser.parse_args(arguments)
    sets = [*given.set, *([f"weights={given.weights}"] if given.weights else [])]
    try:
        result = train(
            given.data,
            load_recipe(given.recipe or default_recipe(pick_device(given.device).accelerated), sets),
            given.run,
            cache=given.cache,
            seed=given.seed,
            resume=given.resume,
            options=Options(given.device, given.workers, despite_leaks=given.despite_leaks),
            progress=lambda what, done, total: print(f"\r{what}: {done} of {total}\033[K", end="", file=sys.stderr),
        )
    except TrainingError as error:
        print(f"\nerror: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; go on with --resume", file=sys.stderr)
        return 130
    print(file=sys.stderr)
    print(json.dumps(result, indent=2, ensure_ascii=False))
    if result["collapsed"]:
        print(f"it learned nothing: {result['collapsed']['cause']}", file=sys.stderr)
        return _COLLAPSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
