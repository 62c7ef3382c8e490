"""The parts of run.py: servers, the private PostgreSQL, the data set, the load and the report."""
