"""ONNX files, for every family that has them: looked through, converted once, computed on one core.

`check` looks through a file before a native library reads it, by `protobuf`. `conversion` makes the
form that workers map, `running` is the library, `gpu` says when it computes on one.
What goes in and comes out is the families'.
"""
