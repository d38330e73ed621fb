/** Tells in advance what does not work here, because of this browser or of the page's address. */

/**
 * @typedef {object} Abilities
 * @property {boolean} isSecure whether the page came over https, or from this machine
 * @property {boolean} hasCameras whether a page may ask for a camera at all
 * @property {boolean} canStayAwake whether a page may keep the screen on
 * @property {boolean} canStore whether the user's choices are kept until the next visit
 */

/** @returns {Abilities} the abilities of this browser */
export function abilities() {
  return {
    isSecure: isSecureContext,
    hasCameras: Boolean(navigator.mediaDevices),
    canStayAwake: 'wakeLock' in navigator,
    canStore: canStore(),
  };
}

/**
 * The sentences that tell what does not work here.
 * @param {Abilities} abilities
 * @returns {string} '' if everything works
 */
export function limitsOf({ isSecure, hasCameras, canStayAwake, canStore }) {
  const why = isSecure ? 'This browser' : 'This page came over plain http, so the browser';
  const lacks = [
    ...(hasCameras ? [] : ['gives no camera']),
    ...(canStayAwake ? [] : ['lets the screen go dark']),
    ...(canStore ? [] : ['forgets your photos and choices when you leave']),
  ];
  if (!lacks.length) return '';
  const help = isSecure ? '' : ' Video files work. For the camera, start the server with --tls and open its https address.';
  return `${why} ${new Intl.ListFormat('en').format(lacks)}.${help}`;
}

/** @returns {boolean} */
function canStore() {
  try {
    localStorage.setItem('mvstylizer.test', '');
    localStorage.removeItem('mvstylizer.test');
    return true;
  } catch {
    return false;
  }
}
