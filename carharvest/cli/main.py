"""The entry: collects the commands and turns errors into two lines and an exit code."""

import gc
import logging
import re
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from carharvest import __version__
from carharvest.cli import (
    attribution,
    brands,
    care,
    curate,
    demo,
    evaluate,
    imports,
    judge,
    listings,
    predict,
    scrape,
    split,
    story,
    train,
    tune,
)
from carharvest.errors import CarharvestError

_KEY = re.compile(
    r"((?:api_?key|client_id|client_secret|access_token|authorization)[\"']?\s*[=:]\s*[\"']?(?:bearer\s+)?)[^\s&\"']+",
    re.IGNORECASE,
)
_HIDDEN = r"\1…"

app = typer.Typer(
    name="carharvest",
    help="From a brand name to a trained, explained car classifier, with evidence for every photo.",
    epilog="The usual way: carharvest scrape pexels --brand BMW --brand Audi, then normalize, split, train.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(scrape.app, name="scrape")
app.add_typer(imports.app, name="import")
app.add_typer(brands.app, name="brands")
app.add_typer(split.app, name="split")
app.add_typer(listings.app, name="listings")
curate.add_to(app)
story.add_to(app)
judge.add_to(app)
attribution.add_to(app)
train.add_to(app)
evaluate.add_to(app)
predict.add_to(app)
tune.add_to(app)
care.add_to(app)
demo.add_to(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"carharvest {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def run() -> None:
    """The console script: the only place that catches whatever is raised."""
    debug = "--debug" in sys.argv
    if debug:
        handler = logging.StreamHandler()
        handler.setFormatter(_WithoutKeys("%(asctime)s %(name)s %(message)s"))
        logging.basicConfig(level=logging.DEBUG, handlers=[handler])
    signal.signal(signal.SIGTERM, _stop)
    gc.set_threshold(
        50_000, 20, 50
    )  # records by the hundred thousand, none of them in a cycle: looking for some costs a tenth
    try:
        app(prog_name="carharvest")
    except CarharvestError as error:
        _fail(error, str(error), error.hint, error.exit_code, debug)
    except SystemExit as end:
        if end.code == 130:  # Typer's word for Ctrl-C
            print("stopped; the same command goes on", file=sys.stderr)
        raise
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe went away: nothing to tell it
        sys.exit(0)
    except Exception as error:
        what = f"something unforeseen: {type(error).__name__}: {error}"
        _fail(error, what, "run it again with --debug and report what it prints", 1, debug)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is over: one more Ctrl-C has nothing to stop


class _WithoutKeys(logging.Formatter):
    """What other libraries log of addresses, and tracebacks, without the keys in them."""

    def format(self, record: logging.LogRecord) -> str:
        return _KEY.sub(_HIDDEN, super().format(record))


def _fail(error: Exception, message: str, hint: str, code: int, debug: bool) -> NoReturn:
    if debug:
        logging.getLogger("carharvest").error("", exc_info=error)
    print(f"error: {_KEY.sub(_HIDDEN, message)}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    sys.exit(code)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
