"""A provider in Python: greets every app with what it is told to say."""

import json

from wit_world import exports
from wit_world.imports import types


class Catalog(exports.Catalog):
    def describe(self, options_json: str) -> str:
        return json.dumps({
            "version": "0.1.0",
            "description": "Greets every app, in Python",
            "services": [{
                "name": "python-greeting",
                "description": "A friendly word",
                "variables": ["GREETING"],
                "plans": [{"name": "default", "description": "The only size"}],
            }],
        })


class Lifecycle(exports.Lifecycle):
    def begin_provision(self, addon) -> str:
        return "thinking of a word"

    def provision_complete(self, addon) -> types.Progress:
        return types.Progress_Done()

    def get_config(self, addon) -> types.Config:
        word = types.Variable("GREETING", f"hello, {addon.name()}", False)
        return types.Config([word], [])

    def deprovision(self, addon) -> types.Progress:
        return types.Progress_Done()
