"""Writes the tiny networks that tests run: `python make.py` in this folder, needs numpy and onnx."""
import hashlib
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def save(name, channels=3, outputs=2, stride=8, gain=1.0, dark=False):
    """One convolution with the shape of a detector: its first output says how bright its 8x8 pixels are.

    Its second says nothing, or how `dark` they are.
    """
    weight = np.zeros((outputs, channels, stride, stride), np.float32)
    weight[0] = 40.0 * gain / (channels * stride * stride)
    bias = np.full(outputs, -30.0, np.float32)
    bias[0] = -20.0
    if dark:
        weight[1], bias[1] = -weight[0], 4.0
    node = helper.make_node("Conv", ["image", "weight", "bias"], ["scores"], kernel_shape=[stride] * 2, strides=[stride] * 2)
    graph = helper.make_graph(
        [node],
        name,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, channels, 64, 64])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, outputs, 64 // stride, 64 // stride])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    with open(name + ".onnx", "wb") as file:
        file.write(data)
    with open(name + ".onnx.sha256", "w") as file:
        file.write(f"{hashlib.sha256(data).hexdigest()}  {name}.onnx\n")


save("bright")
save("nan", gain=float("nan"))
save("blind", gain=0.0)
save("wrong_input", channels=1)
save("wrong_output", stride=16)
save("contrast", dark=True)
