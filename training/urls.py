"""Addresses of the training app."""

from django.urls import path

from training import evaluation_views, search_views, views

urlpatterns = [
    path("evaluations/", evaluation_views.evaluations, name="evaluations"),
    path("evaluations/<int:number>/", evaluation_views.evaluation, name="evaluation"),
    path("flow/", views.flow, name="flow"),
    path("flow/banner/", views.banner, name="flow-banner"),
    path("search/", search_views.search, name="search"),
    path("api/search/", search_views.SearchView.as_view(), name="api-search"),
]
