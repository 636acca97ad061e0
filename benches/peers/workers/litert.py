"""LiteRT (ai-edge-litert) on the CPU through its default XNNPACK delegate, network alone."""

from ai_edge_litert.interpreter import Interpreter

import common


def main():
    arguments = common.net_arguments(__doc__)
    interpreter = Interpreter(arguments.model, num_threads=arguments.threads)
    image = interpreter.get_input_details()[0]
    output = interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(image["index"], [arguments.batch, common.SIDE, common.SIDE, 3], strict=False)
    interpreter.allocate_tensors()
    groups = common.batches(arguments.inputs, arguments.batch, channels_first=False)

    def infer(batch):
        interpreter.set_tensor(image["index"], batch)
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])

    common.time_net(arguments, groups, infer)


if __name__ == "__main__":
    main()
