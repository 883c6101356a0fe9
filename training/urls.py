"""Addresses of the training app."""

from django.urls import path

from training import views

urlpatterns = [
    path("flow/", views.flow, name="flow"),
    path("flow/banner/", views.banner, name="flow-banner"),
]
