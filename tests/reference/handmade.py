"""EfficientNetB0 as PyTorch lays it out, built node by node, so that CI has such a file without PyTorch.

N, C, H, W; as much padding on every side; every batch normalisation a node of its own with PyTorch's epsilon; pictures in
0..1, normalised inside. Random weights, calibrated on photos as in `calibrated.py`: features depend on the picture.
"""

import numpy as np

import calibrated

# Repeats, kernel, stride, expansion, channels (Tan & Le 2019, table 1).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280
EPSILON = 1e-5


class Graph:
    """A graph in the making, and what it makes of some pictures so far."""

    def __init__(self, pictures):
        self.values = {"image": np.float32(pictures)}
        self.nodes, self.weights = [], []
        self.random = np.random.default_rng(calibrated.SEED)

    def weight(self, name, values):
        from onnx import numpy_helper

        values = np.ascontiguousarray(values, np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        self.values[name] = values
        return name

    def node(self, operator, inputs, **attributes):
        """Adds a node and runs it."""
        import onnxruntime
        from onnx import TensorProto, helper

        output = f"{len(self.nodes)}"
        node = helper.make_node(operator, inputs, [output], **attributes)
        self.nodes.append(node)
        info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, self.values[name].shape) for name in inputs]
        out = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
        opset = [helper.make_opsetid("", 17)]
        alone = helper.make_model(helper.make_graph([node], "alone", info, out), opset_imports=opset, ir_version=8)
        session = onnxruntime.InferenceSession(alone.SerializeToString(), providers=["CPUExecutionProvider"])
        self.values[output] = session.run(None, {name: self.values[name] for name in inputs})[0]
        return output

    def convolution(self, value, outputs, kernel=1, stride=1, groups=1, biased=False):
        inputs = self.values[value].shape[1] // groups
        std = np.sqrt(2 / (inputs * kernel * kernel))
        name = f"conv{len(self.nodes)}"
        names = [value, self.weight(f"{name}.weight", self.random.normal(0, std, (outputs, inputs, kernel, kernel)))]
        if biased:
            names.append(self.weight(f"{name}.bias", self.random.uniform(-0.2, 0.2, outputs)))
        pads = [kernel // 2] * 4
        return self.node("Conv", names, strides=[stride, stride], pads=pads, group=groups)

    def normalised(self, value, scale=1):
        """A batch normalisation with the statistics of the pictures."""
        found = self.values[value]
        name, channels = f"norm{len(self.nodes)}", found.shape[1]
        vectors = {
            "weight": scale * self.random.uniform(0.5, 1.5, channels),
            "bias": scale * self.random.uniform(-0.2, 0.2, channels),
            "running_mean": found.mean((0, 2, 3), dtype=np.float64),
            "running_var": found.var((0, 2, 3), dtype=np.float64),
        }
        names = [self.weight(f"{name}.{what}", values) for what, values in vectors.items()]
        return self.node("BatchNormalization", [value, *names], epsilon=EPSILON)

    def swish(self, value):
        return self.node("Mul", [value, self.node("Sigmoid", [value])])

    def block(self, value, kernel, stride, expansion, outputs):
        inputs = self.values[value].shape[1]
        wide, x = inputs * expansion, value
        if expansion > 1:
            x = self.swish(self.normalised(self.convolution(x, wide)))
        x = self.swish(self.normalised(self.convolution(x, wide, kernel, stride, wide)))
        gate = self.node("GlobalAveragePool", [x])
        gate = self.swish(self.convolution(gate, inputs // 4, biased=True))
        gate = self.node("Sigmoid", [self.convolution(gate, wide, biased=True)])
        x = self.convolution(self.node("Mul", [x, gate]), outputs)
        if stride > 1 or inputs != outputs:
            return self.normalised(x)
        return self.node("Add", [self.normalised(x, calibrated.RESIDUAL_SCALE), value])


def build(file, pictures):
    """Writes the model: N, 3, 224, 224 pictures in 0..1 become N, 1280, 7, 7 features. It is calibrated on `pictures`."""
    import onnx
    from onnx import TensorProto, helper

    mean, std = (np.float32(values).reshape(1, 3, 1, 1) for values in (calibrated.MEAN, calibrated.STD))
    graph = Graph(pictures)
    x = graph.node("Sub", ["image", graph.weight("mean", mean)])
    x = graph.node("Div", [x, graph.weight("std", std)])
    x = graph.swish(graph.normalised(graph.convolution(x, STEM, 3, 2)))
    for repeats, kernel, stride, expansion, outputs in STAGES:
        for repeat in range(repeats):
            x = graph.block(x, kernel, stride if repeat == 0 else 1, expansion, outputs)
    x = graph.swish(graph.normalised(graph.convolution(x, HEAD)))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 224, 224])
    features = helper.make_tensor_value_info(x, TensorProto.FLOAT, ["batch", HEAD, 7, 7])
    whole = helper.make_graph(graph.nodes, "handmade", [image], [features], graph.weights)
    onnx.save(helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
