"""The service: a REST interface and a page over casebases (``mmedrag serve``, extra ``serve``)."""
