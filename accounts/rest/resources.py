"""The base of every resource of /api/."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from accounts.owners import Owner


class Pages(PageNumberPagination):
    """`page` and `page_size` of a list; the answer has count, next, previous and results."""

    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100


class Resource(GenericViewSet[Any]):
    """Rows that a caller may see, as `rows` gives them: any other does not exist for them.

    Subclasses say in `permission_classes` which scope a key needs, and by allow-lists what lists are filtered
    and ordered by.
    """

    pagination_class = Pages
    lookup_value_regex = "[^/]+"  # an id of another form is that of nothing: a 404 as any other
    ordering_fields: ClassVar[list[str]] = []
    request: Request

    @property
    def user(self) -> User:
        """Who asks, or whose key asks. Permissions have seen to it that there is somebody."""
        user = self.request.user
        assert isinstance(user, User)
        return user

    @property
    def owner(self) -> Owner:
        return Owner(self.user)

    def get_queryset(self) -> QuerySet[Any]:
        found = super().get_queryset()
        drawing_schema = getattr(self, "swagger_fake_view", False)
        return found.none() if drawing_schema else self.rows(found)

    def rows(self, found: QuerySet[Any]) -> QuerySet[Any]:
        """Those that the caller may see."""
        raise NotImplementedError
