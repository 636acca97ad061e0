"""OpenVINO on the CPU, network alone, in float32.

Without `INFERENCE_PRECISION_HINT` OpenVINO computes in bfloat16 on processors that have it: faster, and another result.
"""

import openvino

import common


def add(parser):
    parser.add_argument("--hint", choices=["latency", "throughput"], default="latency")


def main():
    arguments = common.net_arguments(__doc__, add)
    core = openvino.Core()
    model = core.read_model(arguments.model)
    channels_first = model.input(0).partial_shape[1] == 3
    side = common.SIDE
    size = [3, side, side] if channels_first else [side, side, 3]
    model.reshape({model.input(0): [arguments.batch, *size]})
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "PERFORMANCE_HINT": arguments.hint.upper(),
            "INFERENCE_NUM_THREADS": arguments.threads,
            "INFERENCE_PRECISION_HINT": "f32",
        },
    )
    groups = common.batches(arguments.inputs, arguments.batch, channels_first)
    if arguments.hint == "latency":
        request = compiled.create_infer_request()
        common.time_net(arguments, groups, lambda batch: request.infer(batch, share_inputs=True, share_outputs=True)[0])
        return

    queue = openvino.AsyncInferQueue(compiled)  # as many requests as OpenVINO finds best for the hint
    first = []

    def infer(batch):
        if not first:
            first.append(compiled(batch)[0])
            return first[0]
        queue.start_async(batch, share_inputs=True)

    common.time_net(arguments, groups, infer, queue.wait_all)


if __name__ == "__main__":
    main()
