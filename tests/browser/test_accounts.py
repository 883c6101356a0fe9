"""Accounts in a real browser: terms, signing in by a provider and by password, banners, rules, the admin."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from oidc_provider_mock import User as Person
from playwright.sync_api import Browser, Page, expect

from tests.accounts.small_site import PASSWORD, small_site

ADA = Person(sub="ada-17", claims={"preferred_username": "ada", "name": "Ada L"})
ADMIN_PAGES = (
    "",
    "accounts/user/",
    "accounts/user/1/change/",
    "accounts/auditentry/",
    "training/accessrule/add/",
)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with small_site(ADA) as address:
        yield address


def accept_terms(page: Page, site: str) -> None:
    page.goto(f"{site}/")
    expect(page.get_by_role("heading", name="Be kind")).to_be_visible()
    page.get_by_role("button", name="Accept and go on").click()
    expect(page).to_have_url(f"{site}/")


def sign_in(page: Page, site: str, then: str = "/") -> None:
    page.goto(f"{site}/sign-in/?next={then}")
    page.get_by_label("Name").fill("grace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(lambda address: "/sign-in/" not in address)


def serious(page: Page) -> list[str]:
    """What a screen reader's user would stumble over on this page."""
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in {"serious", "critical"}]


def test_accepted_terms_go_along_when_a_visitor_signs_in_by_the_provider(
    chromium: Browser, site: str
) -> None:
    page = chromium.new_context().new_page()  # the provider's own page has errors in its console
    accept_terms(page, site)
    page.get_by_role("link", name="Sign in").click()
    page.get_by_role("link", name="Sign in with Harbour").click()
    page.wait_for_url(re.compile("/oauth2/authorize"))
    page.get_by_role("button", name="ada-17").click()
    expect(page).to_have_url(f"{site}/")
    page.get_by_role("link", name="Account").click()
    expect(page.locator(".facts")).to_contain_text("ada (Ada L)")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Be kind")).to_be_visible()  # the next person at this browser
    page.context.close()


def test_a_banner_is_written_seen_and_hidden(page: Page, site: str, chromium: Browser) -> None:
    sign_in(page, site, "/admin/accounts/banner/add/")
    page.get_by_label("Text").fill("The engines rest on Sunday.")
    page.get_by_role("button", name="Save", exact=True).click()
    accept_terms(page, site)
    banner = page.get_by_text("The engines rest on Sunday.")
    expect(banner).to_be_visible()
    page.get_by_role("button", name="Hide").click()
    expect(banner).to_be_hidden()
    page.reload()
    expect(banner).to_be_hidden()
    other = chromium.new_context().new_page()
    other.goto(f"{site}/sign-in/")
    expect(other.get_by_text("The engines rest on Sunday.")).to_be_visible()
    other.context.close()


def test_a_model_is_closed_to_visitors_by_a_rule(page: Page, site: str, chromium: Browser) -> None:
    visitor = chromium.new_context().new_page()
    accept_terms(visitor, site)
    expect(visitor.locator("body")).to_contain_text("small-think")
    sign_in(page, site, "/admin/training/accessrule/add/")
    page.locator("#id_checkpoint + .select2").click()
    page.locator(".select2-search__field").fill("small-th")
    page.locator(".select2-results__option", has_text="small-think").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("link", name="small-think", exact=True)).to_be_visible()
    visitor.reload()
    expect(visitor.locator("body")).to_contain_text("small-instruct")
    expect(visitor.locator("body")).not_to_contain_text("small-think")
    visitor.context.close()


def test_the_admin_works_under_the_policy_of_every_page(page: Page, site: str) -> None:
    """Whatever the policy refuses is an error in the console, which fails the test."""
    sign_in(page, site, "/admin/")
    for address in ADMIN_PAGES:
        answer = page.goto(f"{site}/admin/{address}")
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
    page.get_by_role("button", name=re.compile("Toggle theme")).click()
    page.get_by_role("link", name="Administration").click()
    expect(page.get_by_text("add banner").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_accounts_have_no_serious_hindrance(page: Page, site: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    for address in ("/sign-in/", "/sign-up/", "/terms/"):
        page.goto(site + address)
        assert serious(page) == [], address
    accept_terms(page, site)
    sign_in(page, site, "/account/")
    for address in ("/account/", "/account/password/", "/admin/", "/admin/accounts/user/"):
        page.goto(site + address)
        assert serious(page) == [], address


def test_signing_in_works_by_keyboard_alone(page: Page, site: str) -> None:
    page.goto(f"{site}/sign-in/?next=/account/")
    page.keyboard.type("grace")  # the name has the focus
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/sign-in/" not in address)
