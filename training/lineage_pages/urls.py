"""Address of the lineage page."""

from django.urls import path

from training.lineage_pages import views

urlpatterns = [path("lineage/", views.lineage, name="lineage")]
