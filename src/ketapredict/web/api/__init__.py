"""The REST interface: predictions, the form's schema, facts of the model, health."""
