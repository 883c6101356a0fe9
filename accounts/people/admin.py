"""People and groups in the admin."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from accounts.models import User

for unused in (EmailAddress, SocialAccount, SocialApp, SocialToken):
    # Shown with the person they belong to, or set by the environment alone.
    admin.site.unregister(unused)
admin.site.unregister(Group)


class ProviderInline(admin.TabularInline):
    """By which accounts of the provider somebody signs in; taken away here, given by signing in."""

    model = SocialAccount
    verbose_name = verbose_name_plural = "OpenID Connect"
    fields = readonly_fields = ["provider", "uid", "last_login", "date_joined"]
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class PersonAdmin(UserAdmin):
    list_display = [
        "username",
        "full_name",
        "in_groups",
        "is_staff",
        "is_active",
        "last_login",
        "date_joined",
    ]
    list_filter = ["is_staff", "is_active", "groups"]
    inlines = [ProviderInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description="name in full")
    def full_name(self, user: User) -> str:
        return user.get_full_name()

    @admin.display(description="groups")
    def in_groups(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())

    def get_inlines(self, request: HttpRequest, obj: User | None = None) -> list[Any]:
        return self.inlines if obj and obj.socialaccount_set.exists() else []


@admin.register(Group)
class PeopleGroupAdmin(GroupAdmin):
    list_display = ["name", "members"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(people=Count("user"))

    @admin.display(description="members", ordering="people")
    def members(self, group: Any) -> int:
        return int(group.people)
