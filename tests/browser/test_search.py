"""Searching the corpus in a real browser: what a worker loaded by itself, chips, addresses, the way back."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.sites import DemoSite


def is_loaded(site: DemoSite) -> bool:
    loading = site.api("GET", "/api/search/").json()["loading"]
    return bool(loading["of"]) and loading["documents"] == loading["of"]


def test_documents_are_searched_narrowed_and_read(page: Page, demo_site: DemoSite) -> None:
    demo_site.wait_until(lambda: is_loaded(demo_site), "the search index", 120)
    page.goto(demo_site.url)
    page.get_by_role("link", name="Search", exact=True).click()
    page.get_by_label("Words to search for").fill("carry")
    page.get_by_label("Words to search for").press("Enter")
    expect(page.locator(".search-excerpt mark").first).to_have_text("carry")
    assert page.url == f"{demo_site.url}/search/?q=carry"

    page.get_by_role("group", name="Stage").get_by_role("link").first.click()
    chosen = page.get_by_role("group", name="Stage").locator("[aria-current]")
    expect(chosen).to_have_count(1)
    stage = chosen.inner_text().split()[0]
    expect(page.locator(".search-result .chip")).to_have_text(
        [stage] * page.locator(".search-result").count()
    )
    assert page.url == f"{demo_site.url}/search/?q=carry&stage={stage}"

    page.get_by_label("Order").select_option("newest")
    expect(page).to_have_url(re.compile("sort=date"))
    assert f"stage={stage}" in page.url
    page.go_back()
    expect(page).to_have_url(f"{demo_site.url}/search/?q=carry&stage={stage}")
    expect(page.get_by_role("heading", name="Search the corpus")).to_be_visible()

    page.locator(".search-result h2 a").first.click()
    expect(page.locator(".document-text mark").first).to_have_text(re.compile("carry", re.IGNORECASE))


def test_the_page_works_without_javascript_and_on_a_phone(chromium: Browser, demo_site: DemoSite) -> None:
    demo_site.wait_until(lambda: is_loaded(demo_site), "the search index", 120)
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(f"{demo_site.url}/search/")
    page.get_by_label("Words to search for").fill("carry")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".search-excerpt mark").first).to_have_text("carry")
    page.get_by_role("link", name="More results").click()
    expect(page.locator(".search-total")).to_contain_text("page 2")
    page.get_by_role("group", name="Stage").get_by_role("link").first.click()
    expect(page.locator("[aria-current].chip")).to_have_count(1)
    box = page.locator("main").bounding_box()
    assert box is not None
    assert box["width"] <= 390
    context.close()
