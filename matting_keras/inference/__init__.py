"""Running a network on pictures: no module here imports Keras or TensorFlow when imported."""
