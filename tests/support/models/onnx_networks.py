"""Writes tiny ONNX networks that turn a picture into a picture."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

#: A colour matrix that swaps red and blue and dims green: 1x1 convolution, out x in.
SWAP = np.array([[0, 0, 1], [0, 0.5, 0], [1, 0, 0]], np.float32)


def colour_network(
    path: Path,
    *,
    matrix: np.ndarray = SWAP,
    bias: tuple[float, float, float] = (0, 0, 0),
    shape: tuple[object, ...] = (1, 3, "height", "width"),
    out_channels: int = 3,
    kind: int = TensorProto.FLOAT,
    styled: bool = False,
) -> Path:
    """Write a network with one input: each pixel times a matrix plus a bias. `styled` adds the style's mean colour."""
    weights = np.asarray(matrix, np.float32)[:out_channels, :, None, None]
    initializers = [
        numpy_helper.from_array(weights, "matrix"),
        numpy_helper.from_array(np.array(bias[:out_channels], np.float32), "bias"),
    ]
    inputs = [helper.make_tensor_value_info("picture", kind, shape)]
    nodes = [helper.make_node("Conv", ["picture", "matrix", "bias"], ["coloured" if styled else "out"])]
    if styled:
        inputs.append(helper.make_tensor_value_info("style", kind, (1, 3, "style_height", "style_width")))
        nodes += [
            helper.make_node("GlobalAveragePool", ["style"], ["mean"]),
            helper.make_node("Add", ["coloured", "mean"], ["out"]),
        ]
    out = helper.make_tensor_value_info("out", kind, (1, out_channels, None, None))
    graph = helper.make_graph(nodes, "colours", inputs, [out], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    save(model, path)
    return path
