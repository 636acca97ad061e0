"""onnxruntime on the CPU, network alone."""

import onnxruntime

import common


def main():
    arguments = common.net_arguments(__doc__)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1  # the graph is a chain: nothing to run side by side
    session = onnxruntime.InferenceSession(arguments.model, options, providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0]
    groups = common.batches(arguments.inputs, arguments.batch, channels_first=image.shape[1] == 3)
    common.time_net(arguments, groups, lambda batch: session.run(None, {image.name: batch})[0])


if __name__ == "__main__":
    main()
