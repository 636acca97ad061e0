import sys
import tensorflow as tf

def parse(record):
    fields = {"Feature": tf.io.FixedLenFeature([7, 7, 1280], tf.float32), "Label": tf.io.FixedLenFeature([], tf.int64)}
    example = tf.io.parse_single_example(record, fields)
    return example["Feature"], example["Label"]

shards = tf.data.Dataset.list_files(sys.argv[1] + "/*.tfrecord", shuffle=False)
for feature, label in tf.data.TFRecordDataset(shards).map(parse):
    print(label.numpy(), feature.shape, float(tf.reduce_mean(feature)))
