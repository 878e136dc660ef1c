"""Fakes that pass the same contract suites as the real things; shipped, so that users can test with them too."""
