"""The objects that a server should consist of: pure functions from plain data to manifests.

A manifest holds just the fields that the operator decides on: under server-side apply it is what the operator owns.
"""
