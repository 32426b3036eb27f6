"""Section 3.3: images and texts to vectors.

``image`` and ``text`` hold the two Protocols and their ONNX encoders, ``transformers`` and ``clip``
the same on PyTorch, ``pooling`` section 5.6, ``projection`` the linear maps, ``checkpoint`` the
format of learned parts, and ``dual`` the embedder that joins them. Import the module you need:
this package imports none of them.
"""
