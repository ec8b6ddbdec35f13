// The theme has controls that only a mouse can press, and icons without a name: mend both.
'use strict';

(() => {
  const NAMES = {
    add: 'Add',
    close: 'Close',
    dock_to_right: 'Menu',
    expand_more: 'More',
    filter_list: 'Filters',
    hub: 'Start page',
    more_horiz: 'More',
    search: 'Search',
  };
  const ICON = '.material-symbols-outlined';
  const NATIVE = 'button, a[href], input, select, textarea, summary, label, form, body';
  const PRESSED = '[x-on\\:click], [\\@click]';

  const giveName = (control) => {
    if (control.hasAttribute('aria-label') || control.title) {
      return;
    }
    const icons = [...control.querySelectorAll(ICON)];
    const glyphs = control.matches(ICON) ? [control.textContent] : icons.map((each) => each.textContent);
    const words = glyphs.reduce((text, glyph) => text.replace(glyph, ''), control.textContent).trim();
    const glyph = (glyphs[0] ?? '').trim();
    if (!words && glyph) {
      control.setAttribute('aria-label', NAMES[glyph] ?? glyph.replaceAll('_', ' '));
    }
  };

  const makeButton = (control) => {
    if (control.matches(NATIVE) || control.hasAttribute('role')) {
      return;
    }
    control.setAttribute('role', 'button');
    control.setAttribute('tabindex', '0');
    control.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ') {
        event.preventDefault();
        control.click();
      }
    });
  };

  // A box that the search widget puts in a select's place does not say the select's name.
  const nameSelect = (select) => {
    const label = select.labels?.[0]?.textContent.trim();
    const box = select.nextElementSibling;
    for (const part of label && box ? box.querySelectorAll('[role]') : []) {
      part.removeAttribute('aria-labelledby');
      part.setAttribute('aria-label', label);
    }
  };

  document.addEventListener('DOMContentLoaded', () => {
    document.getElementById('content')?.setAttribute('role', 'main');
    document.querySelectorAll(PRESSED).forEach(makeButton);
    document.querySelectorAll('a[href], button, [role=button]').forEach(giveName);
    // Icons are words in a special font; a reader would say "dock to right".
    for (const icon of document.querySelectorAll(`${ICON}:not([role])`)) {
      icon.setAttribute('aria-hidden', 'true');
    }
  });

  const mendLate = () => {
    document.querySelectorAll('select.select2-hidden-accessible').forEach(nameSelect);
    for (const hint of document.querySelectorAll('.help-tooltip[aria-label]')) {
      hint.setAttribute('role', 'img');
    }
  };
  // Other scripts make these when the page is there; they may listen after us.
  window.addEventListener('load', () => setTimeout(mendLate));
})();
