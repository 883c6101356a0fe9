"""Addresses of jobs."""

from django.urls import path, re_path

from training.fine_tuning import form_views, job_views

urlpatterns = [
    path("jobs/", job_views.jobs, name="jobs"),
    path("jobs/new/", form_views.new_job, name="new-job"),
    path("jobs/new/estimate/", form_views.estimate, name="job-estimate"),
    path("jobs/<int:pk>/", job_views.job, name="job"),
    re_path(r"^jobs/(?P<pk>[0-9]{1,18})/(?P<act>pause|resume|cancel)/$", job_views.steer, name="steer-job"),
]
