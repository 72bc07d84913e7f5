// Around requests: mark the pressed button as busy, pause polling in hidden tabs, report failures.
import { showError } from "./messages.js";
const busy = (button, on) => (on ? button?.setAttribute("aria-busy", "true") : button?.removeAttribute("aria-busy"));

document.addEventListener("htmx:before:request", (event) => {
  const { sourceEvent, request } = event.detail.ctx;
  if (sourceEvent?.type === "every" && document.visibilityState !== "visible") event.preventDefault();
  else busy(request.submitter, true);
});
document.addEventListener("htmx:finally:request", (event) => busy(event.detail.ctx.request.submitter, false));
// A plain form is busy until the next page loads. By now htmx has prevented the default of its own forms.
window.addEventListener("submit", (event) => {
  if (!event.defaultPrevented && event.target.method === "post") busy(event.submitter, true);
});
window.addEventListener("pageshow", () => document.querySelectorAll("[aria-busy]").forEach((one) => busy(one, false)));
// Requests made while typing (previews, suggestions) or on any page must not navigate away from unsaved input.
document.addEventListener("htmx:before:response", (event) => {
  const { hx, sourceElement, sourceEvent } = event.detail.ctx, anywhere = sourceElement.id === "awaited-batches";
  if (!hx.redirect?.startsWith("/sign-in") || !(anywhere || ["input", "change"].includes(sourceEvent?.type))) return;
  event.preventDefault();
  showError("You've been signed out. What you typed is still here: submit it to sign in again.");
});
document.addEventListener("htmx:response:error", ({ detail: { ctx: { response } } }) =>
  response.status >= 500 && showError("Something went wrong on our side. Please try again."));
document.addEventListener("htmx:error", ({ detail: { ctx } }) =>
  ctx && !ctx.response && showError("Can't reach the server. Check your connection."));
