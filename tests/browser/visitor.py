"""A person at the browser, and what must never happen while they are there."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

from tests.browser.site import PASSWORD, Site
from webapp.models import Role

# Told through the console, where the watch listens.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error("CSP violation: " + event.violatedDirective + " " + event.blockedURI));
"""
# What the eye could see of progress, and what a screen reader was told, noted as it changes.
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
# Whether a person sees where the focus is: an outline on the element, or on what stands for it.
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
    """A browser window of its own at a site; `faults` lists what no page of ours may do.

    `expected` holds parts of console messages that a test brings about on purpose, such as `404`.
    """

    def __init__(self, chromium: Browser, site: Site, **options: Any) -> None:
        self.site = site
        self.expected: list[str] = []
        self.requests: list[str] = []
        self.discards: bool | None = (
            None  # the answer if the browser asks before something typed is lost
        )
        self.questions: list[str] = []  # what it asked: `confirm` or `beforeunload`
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
        if f"{address.scheme}://{address.netloc}" != self.site.url and address.scheme != "data":
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
        """Errors, warnings, violations, foreign requests and broken answers so far."""
        return [fault for fault in self._faults if not any(part in fault for part in self.expected)]

    def sign_in(self, role: Role = Role.ADMIN) -> Visitor:
        """Signs a new person of this role in by a session of their own, as the form would; it takes no time."""
        name, value = self.site.session(role)
        self.context.add_cookies([{"name": name, "value": value, "url": self.site.url}])
        return self

    def fill_sign_in(self, email: str) -> Visitor:
        """Fills the sign-in page in, sends it and waits for the next page."""
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda url: "/sign-in" not in url)
        return self

    def choose_badge(self, name: str) -> None:
        """Opens the drop-down `Badge` and picks a badge of one quest."""
        self.page.locator("details.picker > summary").first.click()
        self.page.locator("details.picker").first.get_by_label(name, exact=True).check()

    def publish(self, *, clicks: int = 1) -> None:
        """Presses `Publish`, and `Publish` again in the forecast; returns on the list of batches."""
        self.page.locator("#open-publication").click()
        forecast = self.page.get_by_role("dialog", name="Publish")
        forecast.get_by_role("button", name="Publish").click(click_count=clicks)
        self.page.wait_for_url("**/batches")

    def fresh(self, path: str) -> Page:
        """Opens a path in a tab of its own, instead of the one before: what was typed there holds nobody back."""
        self.page.close()
        self.page = self.context.new_page()
        self.page.goto(path)
        return self.page

    def asked(self, path: str) -> int:
        """How many requests there were for a path, such as `GET /batches/3/row`."""
        return self.requests.count(path)

    def note_progress(self, within: str = "body") -> None:
        """From now on keeps the percentages and statuses shown `within`, and all that is announced, for `noted`."""
        self.page.evaluate(NOTE_PROGRESS, within)

    def noted(self, what: str) -> list[str]:
        """What was noted: `percents`, `statuses` or `said`, in order, repeats left out."""
        return list(self.page.evaluate(f"noted.{what}"))

    def focus_shows(self) -> bool:
        """Whether the focus is somewhere, and is seen there."""
        return bool(self.page.evaluate(FOCUS_SHOWS))

    def tab_to(self, words: str, key: str = "Tab", most: int = 40) -> None:
        """Presses Tab until the focus is on what is called `words`; each stop on the way must be visible."""
        for _ in range(most):
            self.page.keyboard.press(key)
            assert self.focus_shows(), f"nobody sees the focus on {self.focused()!r}"
            if self.focused() == words:
                return
        raise AssertionError(
            f"{words!r} is not reached by {key}; the focus is on {self.focused()!r}"
        )

    def focused(self) -> str:
        """What the element with the focus is called."""
        return str(
            self.page.evaluate(
                """() => { const at = document.activeElement;
                const words = at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent;
                return words.trim().replace(/\\s+/g, " "); }"""
            )
        )

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth"))
