"""Cases out of a DICOMweb archive (PS3.18): QIDO-RS to look, WADO-RS to retrieve."""
