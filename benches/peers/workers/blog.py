"""The blog's conversion as written in 2021: eager, one photo at a time, one record file per photo.

`--keras tf_keras` is the Keras of that time, kept alive as a package; `--keras keras` is what TensorFlow brings today.
`--call model` calls the model, `--call predict` uses `model.predict`.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import tensorflow as tf

import common
import nets


def add(parser):
    parser.add_argument("--out", required=True, help="folder for the record files")
    parser.add_argument("--keras", choices=["tf_keras", "keras"], default="tf_keras")
    parser.add_argument("--call", choices=["model", "predict"], default="model")


def main():
    arguments = common.photo_arguments(__doc__, add)
    model = nets.b0_tf_keras() if arguments.keras == "tf_keras" else nets.b0()

    def convert(path, label, out):
        image = tf.image.decode_jpeg(tf.io.read_file(path), channels=3)
        image = tf.image.resize(image, (common.SIDE, common.SIDE))
        image = tf.expand_dims(image, 0)
        feature = model.predict(image, verbose=0) if arguments.call == "predict" else model(image).numpy()
        fields = {
            "Feature": tf.train.Feature(float_list=tf.train.FloatList(value=feature.flatten())),
            "Label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        }
        example = tf.train.Example(features=tf.train.Features(feature=fields))
        with tf.io.TFRecordWriter(out) as writer:
            writer.write(example.SerializeToString())

    paths, labels = common.photos(arguments.photos)
    os.makedirs(arguments.out, exist_ok=True)
    outs = [os.path.join(arguments.out, f"{i:06}.tfrecord") for i in range(len(paths))]
    if not arguments.cold:
        for _ in range(2):
            convert(paths[0], labels[0], outs[0])
    common.ready()
    start = time.perf_counter()
    for work in zip(paths, labels, outs):
        convert(*work)
    common.say(images=len(paths), seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
