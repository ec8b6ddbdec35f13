"""API tokens: issued with their text shown once, revoked, never edited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from integrations.access import Scope, request_scope
from integrations.admin.badges import BADGE_CSS, Badge
from integrations.admin.confirm import confirmation
from integrations.admin.history import TrailHistoryAdmin
from integrations.admin.token_form import TokenForAnyoneForm, TokenForm
from integrations.models import ApiToken, TokenScope

LIST = "admin:integrations_apitoken_changelist"


@admin.register(ApiToken)
class ApiTokenAdmin(TrailHistoryAdmin):
    """Superusers issue tokens for anyone and see all; others see and issue their own."""

    form = TokenForm
    list_display = (
        "name", "prefix_shown", "status_shown", "user", "scopes_shown", "business_shown",
        "expires_at", "last_used_at",
    )  # fmt: skip
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username")
    search_help_text = "Name, beginning of the token or user name"
    actions = None
    change_form_outer_before_template = "admin/integrations/token_actions.html"

    class Media:
        css = BADGE_CSS

    def get_urls(self) -> list[URLPattern]:
        """The revoke page before Django's own."""
        wrap = self.admin_site.admin_view
        name = "integrations_apitoken_revoke"
        return [path("<int:pk>/revoke/", wrap(self.revoke_view), name=name), *super().get_urls()]

    def narrow_rows(self, rows: QuerySet[Any], scope: Scope) -> QuerySet[Any]:
        """Not by business: `get_queryset` leaves everybody their own."""
        return rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """All for superusers, one's own for everybody else."""
        rows = super().get_queryset(request)
        return rows if request.user.is_superuser else rows.filter(user_id=request.user.pk)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: what a token may do is settled when it is issued."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: a revoked token stays, so that the trail can be read."""
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whoever may issue or change tokens: what `get_queryset` shows them."""
        names = ("integrations.add_apitoken", "integrations.change_apitoken")
        return any(request.user.has_perm(name) for name in names)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is asked for a new token; what is shown of an issued one."""
        if obj is not None:
            return (
                "name", "prefix_shown", "status_shown", "user", "scopes_shown", "business_shown",
                "expires_at", "last_used_at", "created_at", "revoked_at",
            )  # fmt: skip
        names = ("name", "scopes", "reach", "business", "expires_at")
        return ("name", "user", *names[1:]) if request.user.is_superuser else names

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Bound by what the issuer may see."""
        kwargs["form"] = TokenForAnyoneForm if request.user.is_superuser else TokenForm
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.scope = request_scope(request)
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Issue the token. Its text lives until this request has been answered."""
        typed = form.cleaned_data
        token, text = ApiToken.issue(
            typed["user"] if request.user.is_superuser else request.user,
            name=typed["name"],
            scopes=typed["scopes"],
            business=typed["business"],
            expires_at=typed["expires_at"],
        )
        obj.__dict__.update(token.__dict__)
        request._token_text = text  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The page that shows the text, this once: no message, no session, no cache keeps it."""
        context = {
            **self.admin_site.each_context(request),
            "title": "API token issued",
            "token": obj,
            "text": request._token_text,  # type: ignore[attr-defined]
            "back": reverse(LIST),
            "opts": self.opts,
        }
        # The admin's views are never cached: Django's `never_cache` says no-store.
        return TemplateResponse(request, "admin/integrations/token_issued.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the revoke button, and one way only to save a new one."""
        is_open = obj is not None and obj.revoked_at is None
        context |= {
            "may_revoke": is_open and self.has_revoke_permission(request),
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
        }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask, and then end the token now.

        Raises PermissionDenied, and Http404 for other people's tokens.
        """
        if not self.has_revoke_permission(request):
            raise PermissionDenied
        token = self.get_queryset(request).filter(pk=pk).first()
        if token is None:
            raise Http404("There is no such token.")
        if request.method == "POST" and request.POST.get("confirmed"):
            token.revoke()
            messages.success(request, f"{token} was revoked.")
            return HttpResponseRedirect(reverse(LIST))
        return confirmation(
            self, request, title=f"Revoke {token}", button="Revoke it", back=reverse(LIST),
            lines=[
                f"The program that uses {token} is refused from now on.",
                "This can't be undone. Issue another token where one is needed.",
            ],
            is_grave=True,
        )  # fmt: skip

    @admin.display(description="token", ordering="prefix")
    def prefix_shown(self, token: ApiToken) -> str:
        """Its beginning, by which people tell tokens apart."""
        return f"{token.prefix}…"

    @admin.display(description="status")
    def status_shown(self, token: ApiToken) -> SafeString:
        """Active, expired or revoked, as a badge."""
        if token.revoked_at is not None:
            return Badge("Revoked", "bad").render()
        if token.expires_at <= timezone.now():
            return Badge("Expired", "calm").render()
        return Badge("Active", "good").render()

    @admin.display(description="may")
    def scopes_shown(self, token: ApiToken) -> str:
        """What it may do, in words."""
        labels = dict(TokenScope.choices)
        return "; ".join(str(labels.get(scope, scope)) for scope in token.scopes)

    @admin.display(description="business")
    def business_shown(self, token: ApiToken) -> str:
        """Where it may do it."""
        names = {None: "All that its user sees", "": "The installation"}
        return names.get(token.business, str(token.business))
