"""A person at the browser, and the faults that must never occur."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

from tests.browser.site import PASSWORD, Site
from webapp.models import Role

# Reported through the console, which the visitor watches.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error("CSP violation: " + event.violatedDirective + " " + event.blockedURI));
"""
# Records visible progress and announcements as they change.
NOTE_PROGRESS = """
(within) => {
  window.noted = { percents: [], statuses: [], said: [] };
  const add = (list, value) => value && list.at(-1) !== value && list.push(value);
  const look = () => {
    for (const one of document.querySelectorAll(`${within} [data-percent]`)) {
      add(noted.percents, one.dataset.percent);
      add(noted.statuses, one.querySelector(".pill").textContent);
    }
    add(noted.said, document.getElementById("announcer").textContent);
  };
  look();
  new MutationObserver(look).observe(
    document.body, { subtree: true, childList: true, attributes: true, characterData: true });
}
"""
# True if focus is visible: an outline on the element, or on the element that represents it.
FOCUS_SHOWS = """
() => {
  const at = document.activeElement;
  if (!at || at === document.body) return false;
  const outlined = (style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  return [at, at.nextElementSibling, at.closest(".drop, .option")].filter(Boolean)
    .some((one) => outlined(getComputedStyle(one)) || outlined(getComputedStyle(one, "::after")));
}
"""


class Visitor:
    """A browser window at a site; `faults` lists what no page of ours may do.

    `expected` has parts of console messages that a test causes on purpose, such as `404`.
    """

    def __init__(self, chromium: Browser, site: Site, **options: Any) -> None:
        self.site = site
        self.expected: list[str] = []
        self.elsewhere = (
            ""  # another site that pages of ours may lead to, such as http://127.0.0.1:9400
        )
        self.requests: list[str] = []
        self.discards: bool | None = None  # the reply when the browser asks about unsaved input
        self.questions: list[str] = []  # the type of dialog: `confirm` or `beforeunload`
        self._faults: list[str] = []
        self.context: BrowserContext = chromium.new_context(
            base_url=site.url, locale="en-GB", timezone_id="Europe/Berlin", **options
        )
        self.context.set_default_timeout(15_000)
        self.context.add_init_script(REPORT_VIOLATIONS)
        self.context.on("console", self._console)
        self.context.on("weberror", lambda error: self._faults.append(f"error: {error.error}"))
        self.context.on("request", self._request)
        self.context.on("response", self._response)
        self.context.on("dialog", self._dialog)
        self.page: Page = self.context.new_page()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._faults.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        expected = self.site.url, self.elsewhere, "data://"
        if f"{address.scheme}://{address.netloc}" not in expected:
            self._faults.append(f"request to another host: {request.url}")
        self.requests.append(f"{request.method} {address.path}")

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self._faults.append(f"answer: {response.status} {response.url}")

    def _dialog(self, dialog: Any) -> None:
        self.questions.append(dialog.type)
        if self.discards is None:
            self._faults.append(f"dialog: {dialog.type} {dialog.message}")
        if self.discards:
            dialog.accept()
        else:
            dialog.dismiss()

    @property
    def faults(self) -> list[str]:
        """Errors, warnings, violations, foreign requests and broken responses so far."""
        return [fault for fault in self._faults if not any(part in fault for part in self.expected)]

    def sign_in(self, role: Role = Role.ADMIN) -> Visitor:
        """Sign in a new person with this role by creating a session, which is faster than the form."""
        name, value = self.site.session(role)
        self.context.add_cookies([{"name": name, "value": value, "url": self.site.url}])
        return self

    def fill_sign_in(self, email: str) -> Visitor:
        """Fill in and send the sign-in page, and wait for the next page."""
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda url: "/sign-in" not in url)
        return self

    def choose_badge(self, name: str) -> None:
        """Open the drop-down `Badge` and choose a badge with one quest."""
        self.page.locator("details.picker > summary").first.click()
        self.page.locator("details.picker").first.get_by_label(name, exact=True).check()

    def publish(self, *, clicks: int = 1) -> None:
        """Press `Publish`, and `Publish` again in the forecast; return on the list of batches."""
        self.page.locator("#open-publication").click()
        forecast = self.page.get_by_role("dialog", name="Publish")
        forecast.get_by_role("button", name="Publish").click(click_count=clicks)
        self.page.wait_for_url("**/batches")

    def fresh(self, path: str) -> Page:
        """Replace the tab by a new one with this path: input in the old one can't block it."""
        self.page.close()
        self.page = self.context.new_page()
        self.page.goto(path)
        return self.page

    def asked(self, path: str) -> int:
        """The number of requests for a path, such as `GET /batches/3/row`."""
        return self.requests.count(path)

    def note_progress(self, within: str = "body") -> None:
        """Start recording the percentages and statuses shown `within`, and all announcements, for `noted`."""
        self.page.evaluate(NOTE_PROGRESS, within)

    def noted(self, what: str) -> list[str]:
        """The recorded `percents`, `statuses` or `said`, in order, without repeats."""
        return list(self.page.evaluate(f"noted.{what}"))

    def focus_shows(self) -> bool:
        """True if an element has focus, and visibly."""
        return bool(self.page.evaluate(FOCUS_SHOWS))

    def tab_to(self, words: str, key: str = "Tab", most: int = 40) -> None:
        """Press Tab until the element named `words` has focus; each stop on the way must be visible."""
        for _ in range(most):
            self.page.keyboard.press(key)
            assert self.focus_shows(), f"nobody sees the focus on {self.focused()!r}"
            if self.focused() == words:
                return
        raise AssertionError(
            f"{words!r} is not reached by {key}; the focus is on {self.focused()!r}"
        )

    def focused(self) -> str:
        """The accessible name of the focused element."""
        return str(
            self.page.evaluate(
                """() => { const at = document.activeElement;
                const words = at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent;
                return words.trim().replace(/\\s+/g, " "); }"""
            )
        )

    def overflow(self) -> int:
        """How many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth"))
