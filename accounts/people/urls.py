"""Addresses of a person's own account."""

from django.urls import path

from accounts.people import views

urlpatterns = [
    path("account/", views.account, name="account"),
]
