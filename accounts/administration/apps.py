from django.contrib.admin.apps import AdminConfig


class AdministrationConfig(AdminConfig):
    """Django's admin, with our own site in the place of its default one."""

    default_site = "accounts.administration.site.Site"
