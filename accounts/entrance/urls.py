"""Addresses of signing in. The second name of some is the one by which django-allauth looks for them."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts.entrance import views

sign_in = login_not_required(views.SignInView.as_view())
sign_up = login_not_required(views.SignUpView.as_view())
sign_out = LogoutView.as_view(next_page="home")

urlpatterns = [
    path("sign-in/", sign_in, name="sign-in"),
    path("sign-in/", sign_in, name="account_login"),
    path("sign-in/closed/", views.closed, name="account_inactive"),
    path("sign-in/cancelled/", views.provider_cancelled, name="socialaccount_login_cancelled"),
    path("sign-in/<slug:provider_id>/login/", views.provider_sign_in, name="openid_connect_login"),
    path("sign-in/<slug:provider_id>/callback/", views.provider_callback, name="openid_connect_callback"),
    path("sign-up/", sign_up, name="account_signup"),
    path("sign-out/", sign_out, name="sign-out"),
    path("sign-out/", sign_out, name="account_logout"),
    path("account/password/", views.ChangePasswordView.as_view(), name="account_change_password"),
]
