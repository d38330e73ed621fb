/** What can go wrong in a browser, and what the user can do about it. */

/** A failure to show to the user, with a title and one or two sentences of help. */
export class Trouble extends Error {
  /**
   * @param {string} title
   * @param {string} help
   * @param {boolean} [isBusy] whether the camera is in use elsewhere, perhaps by this page itself
   */
  constructor(title, help, isBusy = false) {
    super(title);
    this.title = title;
    this.help = help;
    this.isBusy = isBusy;
  }
}

/**
 * The reason why a camera could not be opened.
 * @param {{name: string, message: string}} error what getUserMedia threw
 * @returns {Trouble}
 */
export function cameraTrouble(error) {
  if (!isSecureContext) {
    return new Trouble('The camera needs a secure page',
      'Browsers give the camera to https and localhost only. Start the server with --tls and open its https address, '
      + 'or use a video file.');
  }
  switch (error.name) {
    case 'NotAllowedError':
      return new Trouble('The camera is blocked',
        'Allow the camera for this page in the address bar or in the site settings, then try again.');
    case 'NotFoundError':
    case 'OverconstrainedError':
      return new Trouble('No camera found', 'Connect a camera and try again, or use a video file.');
    case 'NotReadableError':
    case 'AbortError':
      return new Trouble('The camera is busy', 'Another app may be using it. Close that app and try again.', true);
    default:
      return new Trouble('The camera did not start', `The browser says: ${error.message}.`);
  }
}

/**
 * Live stylization needs WebRTC, and a canvas that can be sent.
 * @throws {Trouble} if this browser lacks them
 */
export function requireWebRtc() {
  if ('RTCPeerConnection' in window && 'captureStream' in HTMLCanvasElement.prototype) return;
  throw new Trouble('This browser has no WebRTC',
    'Live video cannot be sent from here. A current Chrome, Edge, Firefox or Safari can do it.');
}
