"""Repeats runs of `graft finetune` in Keras; see keras_finetune.py."""
