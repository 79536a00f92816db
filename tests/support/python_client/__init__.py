"""Writes the generated part of clients/python from the OpenAPI document."""
