"""Random networks whose features depend on the picture, as a trained network's do.

A network as its package initialises it ignores the picture: another photo, a black one or a zeroed stem move its features
by 1e-7, so any importer would pass. Here the convolutions are He-initialised, the batch normalisations have random gamma
and beta, and their running statistics are those of a dozen photos. A photo is then 0.9 from a black picture (relative l2).
"""

import pathlib

import numpy as np

SEED = 20210513
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
PHOTOS = pathlib.Path(__file__).resolve().parents[2] / "examples" / "photos"
LEAST = 0.1
RESIDUAL_SCALE = 0.25
"""Of the branches that are added to their input. Deep random networks multiply rounding errors otherwise, until two float32
engines are 2e-5 apart (see src/model/seeded.rs)."""


def batch(side, count=12):
    """The first photos of `examples/photos` that can be read, normalised, N, 3, side, side."""
    from PIL import Image, UnidentifiedImageError

    pictures = []
    for path in sorted(PHOTOS.rglob("*")):
        try:
            picture = Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
        except (OSError, UnidentifiedImageError):
            continue
        pictures.append((np.float32(picture) / 255 - np.float32(MEAN)) / np.float32(STD))
    return np.ascontiguousarray(np.stack(pictures[:count]).transpose(0, 3, 1, 2))


def calibrated(model, pictures):
    """Fills a network of PyTorch's with random weights and the statistics of `pictures`; ready for inference."""
    import torch
    from torch import nn

    torch.manual_seed(SEED)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.uniform_(module.bias, -0.2, 0.2)
    model.eval()
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.2, 0.2)
        norm.reset_running_stats()
        norm.momentum = None  # the statistics of one batch, as they are
        norm.train()
    for branch in model.modules():
        # torchvision's, timm's and transformers' blocks with a shortcut; a normalisation is the last layer of the branch.
        if any(getattr(branch, flag, False) for flag in ("use_res_connect", "has_skip", "apply_dropout")):
            last = [module for module in branch.modules() if isinstance(module, nn.BatchNorm2d)][-1]
            with torch.no_grad():
                last.weight *= RESIDUAL_SCALE
                last.bias *= RESIDUAL_SCALE
    with torch.no_grad():
        model(torch.from_numpy(pictures))
    return model.eval()


def assert_looks(features):
    """Every other picture moves the features; otherwise a comparison with them shows nothing."""
    features = np.asarray(features, np.float64).reshape(len(features), -1)
    for one in features:
        moved = max(np.linalg.norm(one - other) for other in features) / np.linalg.norm(one)
        assert moved > LEAST, f"another photo moves the features by {moved:.1e}: this network ignores its picture"
