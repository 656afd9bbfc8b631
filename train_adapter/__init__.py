"""Trains image classifiers on any ImageFolder. Knows folders only; nothing here imports carharvest."""

from train_adapter.vision import make_importable

make_importable()  # before anything imports Lightning, torchmetrics or timm, which import torchvision
