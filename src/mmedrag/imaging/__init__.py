"""Images: safe decoding, grey values, DICOM pixels."""
