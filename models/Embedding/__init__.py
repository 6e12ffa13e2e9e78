"""Embedding: texts as vectors that are near where the texts mean the same, by a model of one's own.

The model is an ONNX file with a tokenizer of Hugging Face's `tokenizers`, or an encoder of
`models.encoding`. `family` loads artifacts, `model` answers requests, `engines` turn texts into
vectors with `tokens` and `pooling`; ONNX files are for `models.onnx`. Artifacts are made by
`export` from folders as Hugging Face lays them out: `bert` writes the graph where a folder has only
weights, in the form of `safetensors` or of torch (`torch_file`).
"""
