"""What users of PyTorch hold: state dicts and ONNX files of torchvision's, timm's and Hugging Face's networks.

Part of `make_exports.py`, which says what is written.
"""

import copy
import pathlib

import numpy as np

import calibrated
from make_exports import onnxruntime_features, optimised_exports, save_features


def normalised(pictures):
    return (pictures / 255 - np.float32(calibrated.MEAN)) / np.float32(calibrated.STD)


def tensor(pictures):
    """N, H, W, 3 as torch takes it."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32))


def networks():
    """Name, how it is made, what gives its features, its picture's side."""
    import timm
    import torchvision
    from transformers import EfficientNetConfig, EfficientNetForImageClassification
    from torch import nn

    class Features(nn.Module):
        """A network of timm's up to its last feature maps."""

        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, image):
            return self.network.forward_features(image)

    class HuggingFace(nn.Module):
        """Hugging Face's network up to its last feature maps."""

        def __init__(self, model):
            super().__init__()
            self.network = model.efficientnet

        def forward(self, image):
            return self.network(image, return_dict=False)[0]

    class Logits(nn.Module):
        """Hugging Face's with its classifier, without the dictionary around its output."""

        def __init__(self):
            super().__init__()
            config = EfficientNetConfig(
                width_coefficient=1.0, depth_coefficient=1.0, image_size=224, hidden_dim=1280, num_labels=1000
            )
            self.model = EfficientNetForImageClassification(config)

        def forward(self, image):
            return self.model(image, return_dict=False)[0]

    yield "efficientnet_b0.torchvision", torchvision.models.efficientnet_b0, lambda model: model.features, 224
    yield "efficientnet_b2.torchvision", torchvision.models.efficientnet_b2, lambda model: model.features, 260
    yield "efficientnet_b0.huggingface", Logits, lambda model: HuggingFace(model.model), 224
    for name, side in (
        ("efficientnet_b0", 224),
        ("tf_efficientnet_b0", 224),
        ("tf_efficientnet_b3", 300),
        ("efficientnet_lite0", 224),
        ("tf_efficientnet_lite0", 224),
    ):
        yield f"{name}.timm", lambda name=name: timm.create_model(name), Features, side


def torch_exports(out):
    """Writes every network's files, each with its features."""
    for name, make, features_of, side in networks():
        pictures = np.load(out / f"resized-{side}.npy")
        model = calibrated.calibrated(make(), calibrated.batch(side))
        network = features_of(model).eval()
        state_dicts(out, name, model, network, tensor(normalised(pictures)))
        if side == 224:
            onnx_files(out, name, model, network, pictures)


def state_dicts(out, name, model, network, batch):
    """As torch.save and safetensors write them, and the whole network as ONNX."""
    import safetensors.torch
    import torch

    with torch.no_grad():
        expected, logits = network(batch).numpy(), model(batch).numpy()
    endings = ["logits.onnx", "pth", "safetensors"]
    # Without the module around Hugging Face's that leaves its output's dictionary out.
    state = getattr(model, "model", model).state_dict()
    torch.save(state, out / f"{name}.pth")
    safetensors.torch.save_file(state, out / f"{name}.safetensors")
    if name == "efficientnet_b0.timm":
        endings += kinds_of_pth(out, name, model, batch)
    torch.onnx.export(model, batch[:1], out / f"{name}.logits.onnx", dynamo=True, input_names=["image"])
    for ending in endings:
        save_features(out / f"{name}.{ending}", expected)
        np.save(out / f"{name}.{ending}.top.npy", logits)


def kinds_of_pth(out, name, model, batch):
    """The other ways in which torch saves one network."""
    import torch

    state = model.state_dict()
    torch.save(state, out / f"{name}.old.pth", _use_new_zipfile_serialization=False)
    torch.save(model, out / f"{name}.module.pth")
    torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}, out / f"{name}.checkpoint.pth")
    last = {key: value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value for key, value in state.items()}
    torch.save(last, out / f"{name}.channels-last.pth")
    with torch.no_grad():
        torch.jit.trace(model, batch[:1], check_trace=False).save(out / f"{name}.traced.pt")
    return ["old.pth", "module.pth", "checkpoint.pth", "channels-last.pth", "traced.pt"]


def onnx_files(out, name, model, network, pictures):
    """By both of torch's exporters; where preprocessing is inside, in half precision, optimised, of an open size."""
    import torch
    from torch import nn

    class Inside(nn.Module):
        """Takes pictures in 0..1, as torchvision's ToTensor gives them."""

        def __init__(self):
            super().__init__()
            self.network = network
            for what, values in (("mean", calibrated.MEAN), ("std", calibrated.STD)):
                self.register_buffer(what, torch.tensor(values).reshape(1, 3, 1, 1))

        def forward(self, image):
            return self.network((image - self.mean) / self.std)

    inputs = normalised(pictures)
    batch = tensor(inputs)
    for exporter, dynamo in (("legacy", False), ("dynamo", True)):
        file = out / f"{name}.{exporter}.onnx"
        torch.onnx.export(network, batch[:1], file, dynamo=dynamo, input_names=["image"])
        save_features(file, onnxruntime_features(file, inputs))
    optimised_exports(file, inputs)

    open_size = {"image": {0: "batch", 2: "height", 3: "width"}}
    file = out / f"{name}.open-size.onnx"
    torch.onnx.export(network, batch[:1], file, dynamo=False, input_names=["image"], dynamic_axes=open_size)
    save_features(file, onnxruntime_features(file, inputs))

    for exporter, dynamo in (("legacy", False), ("dynamo", True)):
        file = out / f"{name}.{exporter}.takes-0-to-1.onnx"
        torch.onnx.export(Inside().eval(), batch[:1], file, dynamo=dynamo, input_names=["image"])
        save_features(file, onnxruntime_features(file, np.float32(pictures / 255)))

    for kind, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        narrow = copy.deepcopy(network).to(dtype)
        file = out / f"{name}.{kind}.onnx"
        torch.onnx.export(narrow, batch[:1].to(dtype), file, dynamo=True, input_names=["image"])
        save_features(file, widened_features(file, inputs))


def widened_features(file, pictures):
    """What the numbers in a file of half precision give in float32: onnxruntime would round every layer's result.

    The module that was exported is no reference: the exporter folds batch normalisations in half precision.
    """
    import onnx
    from onnx import TensorProto, numpy_helper

    narrow = (TensorProto.FLOAT16, TensorProto.BFLOAT16)

    def widened(tensor):
        if tensor.data_type in narrow:
            values = np.asarray(numpy_helper.to_array(tensor), np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    model = onnx.load(file)
    graph = model.graph
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    for tensor in graph.initializer:
        widened(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                widened(attribute.t)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i in narrow:
                attribute.i = TensorProto.FLOAT
    wide = file.with_suffix(".float32")
    onnx.save(model, wide)
    features = onnxruntime_features(wide, pictures)
    wide.unlink()
    return features
