"""Offline: embeddings, predictions, evaluation of both."""
