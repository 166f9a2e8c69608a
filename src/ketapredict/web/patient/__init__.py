"""One patient's view as plain data and pictures: nothing here knows of HTTP."""
