"""The page of permissions and token scopes, from the models."""

from __future__ import annotations

from django.apps import apps

from integrations.management.reference.markdown import code, page, table
from integrations.models import TokenScope

INTRO = """\
Three things must agree before somebody sees or does something: a permission of Django (given to
the user or to a group), a business inside the user's scope ([Security
model](../explanation/security-model.md#businesses)), and, for another program, a scope of its API
token. A superuser has every permission and every business; a token never has more than its user."""


def permissions_page() -> str:
    """Permissions of our own, Django's of every model, and the scopes of API tokens."""
    models = sorted(apps.get_app_config("integrations").get_models(), key=lambda m: m.__name__)
    own = [
        [code(f"integrations.{name}"), str(label), code(model.__name__)]
        for model in models
        for name, label in model._meta.permissions
    ]
    usual = [
        [
            code(model.__name__),
            ", ".join(code(f"{verb}_{model._meta.model_name}") for verb in verbs),
        ]
        for model in models
        if (verbs := model._meta.default_permissions)
    ]
    return page(
        "Permissions and token scopes",
        INTRO,
        "## Scopes of API tokens",
        table(["scope", "opens"], ([code(value), label] for value, label in TokenScope.choices)),
        "## Permissions of our own",
        table(["permission", "meaning", "of"], own),
        "## Django's permissions by model",
        "Each with `integrations.` before it. Not every one opens a page: history is only read.",
        table(["model", "permissions"], usual),
    )
