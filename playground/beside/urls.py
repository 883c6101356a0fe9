"""Addresses of the page of two models."""

from django.urls import path

from playground.beside import views

urlpatterns = [
    path("compare/", views.beside, name="beside"),
    path("compare/", views.beside, name="compare"),
    path("compare/<uuid:pk>/", views.pair, name="pair"),
    path("compare/<uuid:pk>/messages/", views.send, name="pair-send"),
    path("compare/<uuid:pk>/rounds/<int:number>/", views.together, name="pair-round"),
]
