"""The clinician's page and the REST interface: what a browser or an EHR sees of a response model."""
