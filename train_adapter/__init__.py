"""Trains image classifiers on any ImageFolder. Knows folders only; nothing here imports carharvest."""
