"""Recipes: each is checked, can be changed field by field, and runs end to end on the sample gallery."""

import json
import math
import shutil
from pathlib import Path

import pytest
import yaml

torch = pytest.importorskip("torch")

from train_adapter.bodies import blocks_from_top, create_body  # noqa: E402  after the check that torch is there
from train_adapter.errors import TrainingError  # noqa: E402
from train_adapter.loading import Batch  # noqa: E402
from train_adapter.losses import ClassLoss, LossWeights  # noqa: E402
from train_adapter.module import StageModule  # noqa: E402
from train_adapter.network import build_network  # noqa: E402
from train_adapter.recipe import Recipe, load_recipe, parse_recipe, recipe_names  # noqa: E402
from train_adapter.train import train  # noqa: E402
from train_adapter.weights import imagenet_classifier, load_weights  # noqa: E402

SMALL = ["image.px=32", "image.load_px=40", "stages.*.epochs=1", "batch=8"]
# Small ones of the same families: most of the time goes into writing down large ones.
SISTERS = {"best": "convnext_atto", "transfer-box": "resnet10t", "scratch-residual": "resnet10t"}
CLASSES = ("AUDI", "BMW", "SKODA", "TOYOTA")
WITH_BODY_OF_THEIR_OWN = {
    "scratch-plain-box",
    "scratch-residual",
    "scratch-residual-box",
    "scratch-small",
    "scratch-small-bn",
}
PACKAGED = {"fast-cpu"}


@pytest.fixture(scope="module")
def few(_filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some photos of four brands of the gallery's split, with a box for each."""
    root = tmp_path_factory.mktemp("few")
    split = _filled / "datasets" / "splits" / "default"
    lines = []
    for part, most in (("train", 6), ("val", 2), ("test", 2)):
        for name in CLASSES:
            (root / part / name).mkdir(parents=True)
            for photo in sorted((split / part / name).iterdir())[:most]:
                shutil.copy(photo, root / part / name / photo.name)
                told = {
                    "file": f"{part}/{name}/{photo.name}",
                    "width_px": 100,
                    "height_px": 100,
                    "boxes": [[10, 20, 90, 80]],
                }
                lines.append(json.dumps(told))
    (root / "photos.jsonl").write_text("\n".join(lines) + "\n")
    shutil.copy(split / "split.json", root / "split.json")
    return root


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_runs_end_to_end(few: Path, tmp_path: Path, name: str) -> None:
    """At a small setting; bodies whose weights only a hub has begin by chance, which is said."""
    by_chance = ["weights=scratch"] if load_recipe(name).weights == "hub" else []
    sister = [f"body={SISTERS[name]}"] if name in SISTERS else []
    recipe = load_recipe(name, [*SMALL, *by_chance, *sister])
    result = train(few, recipe, tmp_path / "run", cache=tmp_path / "cache", seed=1)
    assert result["recipe"] == name
    assert [stage["name"] for stage in result["stages"]] == [stage.name for stage in recipe.stages]
    assert all(math.isfinite(stage["best"]) for stage in result["stages"])
    assert (result["test_iou"] is not None) == recipe.boxes
    if recipe.boxes:
        assert 0 <= result["test_iou"] <= 1
    assert (tmp_path / "run" / "report.html").exists()


def test_the_recipes_are_those_that_are_asked_for() -> None:
    assert set(recipe_names()) == {
        "best", "fast-cpu", "mobilenetv2-two-phase", "progressive", "scratch-plain-box", "scratch-residual",
        "scratch-residual-box", "scratch-small", "scratch-small-bn", "transfer-b0", "transfer-box",
    }  # fmt: skip
    two = load_recipe("mobilenetv2-two-phase")
    assert [(s.trains, s.epochs, s.optimizer.lr, s.batchnorm, s.patience) for s in two.stages] == [
        ("head", 20, 1e-3, "eval", 7),
        ("all", 15, 1e-4, "eval", 7),
    ]
    assert [s.trains for s in load_recipe("progressive").stages] == [1, 2, 3, 4, 5]
    best = load_recipe("best")
    assert best.image.px == 288 and best.test_flip and best.stages[1].ema and best.stages[1].optimizer.layer_decay < 1


def test_fields_are_set_by_path() -> None:
    recipe = load_recipe(
        "transfer-b0", ["optimizer.lr=3e-4", "imbalance=[focal, sqrt]", "body=resnet18", "image.px=96"]
    )
    assert recipe.stages[0].optimizer.lr == pytest.approx(3e-4)
    assert recipe.stages[0].optimizer.weight_decay == pytest.approx(1e-4)  # what else the optimizer has stays
    assert recipe.imbalance == ("focal", "sqrt")
    assert (recipe.body, recipe.image.px, recipe.image.load_px) == ("resnet18", 96, 256)
    stages = load_recipe("fast-cpu", ["stages.*.epochs=3", "stages.head.optimizer.lr=0.1"]).stages
    assert [stage.epochs for stage in stages] == [3, 3]
    assert [stage.optimizer.lr for stage in stages] == [0.1, 0.0003]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimiser.lr=1", "no field 'optimiser'"),
        ("optimizer.lr", "sets nothing"),
        ("optimizer.lr=1", "each stage of this recipe has its own optimizer.lr"),
        ("stages.tail.epochs=1", "leads nowhere"),
        ("stages.head.epochs=many", "stages.head.epochs"),
        ("stages.head.epochz=1", "stages.head.epochz"),
        ("stages.head.trains=3", "stages.head"),
        ("image.px=5", "image.px"),
        ("imbalance=[sqrt, balanced]", "choose one"),
        ("batch={", "no YAML"),
    ],
)
def test_what_cannot_be_set_is_told(override: str, words: str) -> None:
    with pytest.raises(TrainingError) as raised:
        load_recipe("fast-cpu", [override])
    assert words in str(raised.value)
    assert raised.value.hint


def test_recipes_are_checked(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="fast-cpuu"):
        load_recipe("fast-cpuu")
    with pytest.raises(TrainingError, match=r"stages.*batch|batch.*stages"):
        parse_recipe("{name: x, summary: y, body: b, batch: no, stages: []}", "x.yaml")
    with pytest.raises(TrainingError, match="no YAML"):
        parse_recipe("{", "x.yaml")
    with pytest.raises(TrainingError, match="no mapping"):
        parse_recipe("- 1", "x.yaml")
    with pytest.raises(TrainingError, match="same name"):
        load_recipe("fast-cpu", ["stages.last-block.name=head"])
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump(load_recipe("best").model_dump(mode="json")))
    assert load_recipe(str(own)) == load_recipe("best")  # what a run writes down is a recipe again


def test_a_body_that_nobody_knows_is_refused() -> None:
    with pytest.raises(TrainingError, match="no body 'efficientnet_z9'") as raised:
        create_body("efficientnet_z9")
    assert "efficientnet_b0" in raised.value.hint


def test_weights_are_never_random_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setattr("train_adapter.weights.getproxies", dict)
    with pytest.raises(TrainingError, match="cannot be had from the hub") as raised:
        load_weights(create_body("efficientnet_b0"), "efficientnet_b0", "hub")
    for choice in ("lite0", "lite1", "lite2", "--weights FILE", "scratch"):
        assert choice in raised.value.hint
    with pytest.raises(TrainingError, match="no weights for the body"):
        load_weights(create_body("resnet10t"), "resnet10t.nothing", "hub")
    with pytest.raises(TrainingError, match="do not fit the body"):
        load_weights(create_body("resnet18"), "resnet18", "lite0")
    with pytest.raises(TrainingError, match="no file"):
        load_weights(create_body("resnet18"), "resnet18", "weights.pth")
    (tmp_path / "text.safetensors").write_text("not at all")
    with pytest.raises(TrainingError, match="no safetensors"):
        load_weights(create_body("resnet18"), "resnet18", str(tmp_path / "text.safetensors"))


def test_weights_that_the_hub_gave_before_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm
    from safetensors.torch import save_file

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    config = timm.models.get_pretrained_cfg("resnet10t")
    assert config is not None
    kept = tmp_path / f"models--{config.hf_hub_id.replace('/', '--')}"
    (kept / "snapshots" / "abc").mkdir(parents=True)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("abc")
    state = timm.create_model("resnet10t").state_dict()  # with ImageNet's classifier, as the hub has it
    save_file(state, kept / "snapshots" / "abc" / "model.safetensors")
    body = create_body("resnet10t")
    load_weights(body, "resnet10t", "hub")
    assert all(torch.equal(tensor, state[name]) for name, tensor in body.state_dict().items())


def test_weights_come_from_files_of_several_shapes(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    source = create_body("plain-8-16")
    state = source.state_dict()
    torch.save(state, tmp_path / "plain.pth")
    torch.save({"state_dict": {f"model.body.{k}": v for k, v in state.items()}}, tmp_path / "lightning.ckpt")
    save_file(
        {**{f"body.{k}": v for k, v in state.items()}, "head.0.weight": torch.zeros(3)}, tmp_path / "m.safetensors"
    )
    for name in ("plain.pth", "lightning.ckpt", "m.safetensors"):
        target = create_body("plain-8-16")
        load_weights(target, "plain-8-16", str(tmp_path / name))
        assert all(torch.equal(a, b) for a, b in zip(target.state_dict().values(), state.values(), strict=True))
    with pytest.raises(TrainingError, match="does not fit"):
        load_weights(create_body("plain-8-32"), "plain-8-32", str(tmp_path / "plain.pth"))


@pytest.mark.parametrize(("package", "px"), [("lite0", 224), ("lite1", 240), ("lite2", 260)])
def test_packaged_weights_know_cars_from_logos(shared: Path, package: str, px: int) -> None:
    """Weights that were mapped wrongly would not see ImageNet's classes of cars in photos of cars."""
    from train_adapter.decode import pixels

    name = f"tf_efficientnet_{package}"
    recipe = load_recipe("fast-cpu", [f"body={name}", f"weights={package}"])
    network = build_network(recipe, 2).eval()
    load_weights(network.body, name, package)
    cars = sorted((shared / "photos" / "stanford").glob("*.jpg"))[:8]
    logos = sorted((shared / "photos" / "not_cars").glob("*.png"))[:8]
    batch = torch.stack([torch.tensor(pixels(f, px)).permute(2, 0, 1) for f in cars + logos]).float() / 255
    weight, bias = imagenet_classifier(package)
    with torch.no_grad():
        features = network.body(network.normalised(batch))
        shares = (features @ torch.tensor(weight).T + torch.tensor(bias)).softmax(dim=1)
    # ambulance, beach wagon, cab, convertible, jeep, limousine, minivan, pickup, racer, sports car
    car = shares[:, [407, 436, 468, 511, 609, 627, 656, 717, 751, 817]].sum(dim=1)
    assert car[:8].median() > 0.25
    assert car[8:].max() < 0.25 * car[:8].median()


def test_what_a_stage_moves_is_what_it_says() -> None:
    for trains, batchnorm, wanted in (("head", "train", 0), (2, "train", 2), ("all", "train", 8), (1, "eval", 1)):
        recipe = load_recipe(
            "transfer-b0", [f"stages.all.trains={trains}", f"batchnorm={batchnorm}", "stages.all.frozen_epochs=0"]
        )
        module = _module(recipe)
        module.train()
        moving = {id(p) for p in module.network.parameters() if p.requires_grad}
        blocks = blocks_from_top(module.network.body)
        touched = [any(id(p) in moving for p in block) for block in blocks]
        assert touched == [n < wanted for n in range(len(blocks))]
        assert all(id(p) in moving for p in module.network.head.parameters())
        norms = [layer for layer in module.network.body.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
        if batchnorm == "eval":
            assert not any(layer.training for layer in norms)
            assert not any(id(p) in moving for layer in norms for p in layer.parameters())
        else:
            assert all(layer.training == (id(layer.weight) in moving) for layer in norms)


def test_frozen_blocks_stay_as_they_are_and_rates_fall_with_depth() -> None:
    recipe = load_recipe(
        "best", ["weights=scratch", "body=resnet18", "drop_path=0", "stages.all.schedule.name=constant"]
    )
    module = _module(recipe, stage=1)

    class Steps:
        estimated_stepping_batches = 10

    module._trainer = Steps()
    rates = [group["lr"] for group in module.configure_optimizers().param_groups if group["weight_decay"]]
    module._trainer = None
    assert rates == pytest.approx([2e-4 * 0.75**depth for depth in range(len(rates))])
    assert len(rates) == 6  # the head and five blocks


def test_a_mixed_batch_has_shared_labels_and_a_plain_one_does_not() -> None:
    recipe = load_recipe("best", ["weights=scratch", "body=resnet18", "drop_path=0"])
    module = _module(recipe, stage=1)

    class Training:
        training = True

    module._trainer = Training()
    batch = Batch(torch.randint(255, (4, 3, 32, 32), dtype=torch.uint8), torch.tensor([0, 1, 2, 3]), torch.zeros(4, 4))
    mixed = module.on_after_batch_transfer(batch, 0)
    assert mixed.targets.shape == (4, 5)
    assert torch.allclose(mixed.targets.sum(dim=1), torch.ones(4))
    Training.training = False
    assert module.on_after_batch_transfer(batch, 0) is batch


def _module(recipe: Recipe, stage: int = 0) -> StageModule:
    network = build_network(recipe, 5)
    return StageModule(network, recipe, recipe.stages[stage], ClassLoss(LossWeights(0, 0), None, None))
