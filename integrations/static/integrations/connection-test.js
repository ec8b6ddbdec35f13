// Tests in the background, so that typed secrets stay in the page and nowhere else.
'use strict';

(() => {
  const LOST = 'The test could not be run. Reload the page and log in again, then try once more.';

  const say = (place, isGood, message, errors, help) => {
    place.className = `connection-test-result ${isGood ? 'is-good' : 'is-bad'}`;
    const words = document.createElement('p');
    words.textContent = message;
    place.replaceChildren(words);
    if (errors && errors.length) {
      const list = document.createElement('ul');
      for (const error of errors) {
        const item = document.createElement('li');
        item.textContent = error;
        list.append(item);
      }
      place.append(list);
    }
    if (help) {
      // A link where the documentation is published, else the file's name in the checkout.
      const more = document.createElement(/^https?:/.test(help) ? 'a' : 'code');
      more.textContent = more.tagName === 'A' ? 'What to do' : help;
      if (more.tagName === 'A') {
        more.href = help;
      }
      place.append(more);
    }
  };

  const showState = (answer) => {
    const badge = document.querySelector('[data-settings-badge]');
    const last = document.querySelector('[data-last-test]');
    if (!answer.badge || !badge || !last) {
      return;
    }
    badge.className = `badge badge-${answer.badge.tone}`;
    badge.textContent = answer.badge.word;
    last.textContent = `Last test just now (${answer.milliseconds} ms): ${answer.message}`;
  };

  const ask = async (button) => {
    const answer = await fetch(button.formAction, {
      method: 'POST',
      body: new FormData(button.form),
      headers: { Accept: 'application/json' },
      credentials: 'same-origin',
      redirect: 'error',
    });
    if (!answer.ok) {
      throw new Error(`HTTP ${answer.status}`);
    }
    return answer.json();
  };

  const test = async (button, place) => {
    button.setAttribute('aria-busy', 'true');
    button.disabled = true;
    place.className = 'connection-test-result';
    place.textContent = 'Testing…';
    try {
      const answer = await ask(button);
      const what = answer.saved ? 'Saved settings: ' : 'What you typed, not saved: ';
      const lead = answer.errors && answer.errors.length ? '' : what;
      const time = lead ? ` (${answer.milliseconds} ms)` : '';
      say(place, answer.ok, `${lead}${answer.message}${time}`, answer.errors, answer.help);
      showState(answer);
    } catch {
      say(place, false, LOST);
    } finally {
      button.removeAttribute('aria-busy');
      button.disabled = false;
      button.focus();
    }
  };

  document.addEventListener('DOMContentLoaded', () => {
    const button = document.querySelector('[data-connection-test]');
    const place = document.querySelector('[data-test-result]');
    if (!button || !place) {
      return;
    }
    button.setAttribute('aria-describedby', 'connection-test-help');
    button.addEventListener('click', (event) => {
      event.preventDefault();
      test(button, place);
    });
  });
})();
