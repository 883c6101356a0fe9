"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from config import health

urlpatterns = [
    path("v1/", include("playground.openai.urls")),  # first: programs ask most often, and it is found fastest
    path("admin/", admin.site.urls),
    path("health", health.health, name="health"),
    path("ready", health.ready, name="ready"),
    path("api/", include("config.api")),
    path("", include("accounts.urls")),
    path("", include("tracing.urls")),
    path("", include("training.urls")),
    path("", include("playground.urls")),
]
