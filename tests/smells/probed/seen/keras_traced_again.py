"""A tf.function that is given Python numbers: each is traced."""

import tensorflow as tf


@tf.function  # seen: MOD001
def scaled(rows, factor):
    return tf.reduce_sum(rows * factor)


for number in range(12):
    scaled(tf.ones(8), number)
