// Keeps a page of the ledger true while something is happening: asks for a short text that
// changes with the rows, and loads the page again when it did.
'use strict';

(() => {
  const EVERY = 2000;
  const SLOWEST = 30000;

  document.addEventListener('DOMContentLoaded', () => {
    for (const form of document.querySelectorAll('form[data-send-once]')) {
      form.addEventListener('submit', () => {
        for (const button of form.querySelectorAll('button[type=submit]')) {
          button.disabled = true;
          button.setAttribute('aria-busy', 'true');
        }
      });
    }
    const place = document.querySelector('[data-live-url]');
    if (place) {
      watch(place.dataset.liveUrl, place.dataset.liveState, EVERY);
    }
  });

  const isBusy = () => {
    const at = document.activeElement;
    const isTyping = at && ['INPUT', 'SELECT', 'TEXTAREA'].includes(at.tagName);
    const isTyped = [...document.querySelectorAll('textarea')]
      .some((box) => box.value !== box.defaultValue);
    return isTyping || isTyped || document.querySelector('input.action-select:checked') !== null;
  };

  const ask = async (url) => {
    const answer = await fetch(url, {
      headers: { Accept: 'application/json' }, credentials: 'same-origin', redirect: 'error',
    });
    if (!answer.ok) {
      throw new Error(`HTTP ${answer.status}`);
    }
    return answer.json();
  };

  const watch = (url, known, pause) => {
    setTimeout(async () => {
      let next = EVERY;
      if (!document.hidden && !isBusy()) {
        try {
          const answer = await ask(url);
          if (answer.state !== known) {
            window.location.reload();
            return;
          }
          if (answer.ended) {
            return;
          }
        } catch {
          // The server is being restarted, or the session is over: ask less and less.
          next = Math.min(pause * 2, SLOWEST);
        }
      }
      watch(url, known, next);
    }, pause);
  };
})();
