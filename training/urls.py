"""Addresses of the training app."""

from django.urls import include, path

from training import evaluation_views, search_views, views
from training.datasets import views as dataset_views
from training.rollouts import views as rollout_views

urlpatterns = [
    path("", include("training.checkpoint_pages.urls")),
    path("", include("training.lineage_pages.urls")),
    path("", include("training.fine_tuning.urls")),
    path("jobs/<int:pk>/rollouts/", rollout_views.rollouts, name="rollouts"),
    path("", include("training.transfers.urls")),
    path("", include("training.corpora.urls")),
    path("datasets/", dataset_views.datasets, name="datasets"),
    path("datasets/<uuid:pk>/", dataset_views.dataset, name="dataset"),
    path("datasets/<uuid:pk>/leave-out/", dataset_views.leave_out, name="leave-out-rows"),
    path("datasets/<uuid:pk>/measure/", dataset_views.measure, name="measure-dataset"),
    path("datasets/<uuid:pk>/delete/", dataset_views.delete, name="delete-dataset"),
    path("evaluations/", evaluation_views.evaluations, name="evaluations"),
    path("evaluations/<int:number>/", evaluation_views.evaluation, name="evaluation"),
    path("flow/", views.flow, name="flow"),
    path("flow/banner/", views.banner, name="flow-banner"),
    path("search/", search_views.search, name="search"),
    path("api/search/", search_views.SearchView.as_view(), name="api-search"),
]
