"""The Dockerfile frontend: text → nodes (`parser`) → instructions → a graph of ops and an image config (`lower`).

Pure: no file, clock or network; whatever is needed from outside comes in as an argument. Spec: the Dockerfile
reference of frontend 1.26 (moby/buildkit, frontend/dockerfile/docs/reference.md).
"""
