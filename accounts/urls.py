"""Addresses of the accounts app."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

sign_in = login_not_required(LoginView.as_view(template_name="accounts/sign_in.html", next_page="home"))

urlpatterns = [
    path("sign-in/", sign_in, name="sign-in"),
    path("sign-out/", LogoutView.as_view(next_page="home"), name="sign-out"),
]
