"""Signing in, up and out, by a password or an OpenID Connect provider. django-allauth does it."""
