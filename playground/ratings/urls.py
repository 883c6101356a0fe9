"""Addresses of ratings."""

from django.urls import path

from playground.ratings import review, views

urlpatterns = [
    path("messages/<uuid:pk>/rating/", views.rating, name="rating"),
    path("messages/<uuid:pk>/rate/", views.rate_answer, name="rate"),
    path("ratings/", review.ratings, name="ratings"),
    path("ratings/<int:pk>/reviewed/", review.reviewed, name="flag-reviewed"),
]
