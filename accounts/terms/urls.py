"""Addresses of the terms of use."""

from django.urls import path

from accounts.terms import views

urlpatterns = [
    path("terms/", views.terms, name="terms"),
    path("terms/<int:number>/", views.version, name="terms-version"),
]
