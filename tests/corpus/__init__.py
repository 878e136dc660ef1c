"""Dockerfiles, and what Docker 26 makes of each: `tests/integration/test_corpus.py` compares, `record.py` asks Docker."""
