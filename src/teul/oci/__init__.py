"""The words of the OCI specifications as frozen values. No IO, no clock, no randomness."""
