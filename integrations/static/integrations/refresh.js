// Keeps the part of a page that carries data-refresh (seconds) up to date while it says so.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const place = document.querySelector("[data-refresh]");
  if (!place) {
    return;
  }
  const pause = Number(place.dataset.refresh) * 1000;

  async function look() {
    let goesOn = true;
    try {
      const answer = await fetch(place.dataset.refreshFrom, { credentials: "same-origin" });
      if (answer.ok && !answer.redirected) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById(place.id);
        if (fresh) {
          goesOn = "refresh" in fresh.dataset;
          if (fresh.textContent !== place.textContent) {
            place.replaceChildren(...fresh.childNodes);
          }
        }
      }
    } catch {
      // The server was away for a moment: the next look will tell.
    }
    if (goesOn) {
      setTimeout(look, pause);
    }
  }

  setTimeout(look, pause);
});
