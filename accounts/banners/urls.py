"""Addresses of banners."""

from django.urls import path

from accounts.banners import views

urlpatterns = [
    path("banners/<int:pk>/hide/", views.hide, name="hide-banner"),
]
