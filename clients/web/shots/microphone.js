/** Opens the microphone, and says in a sentence why a recording has no sound. */

/** @typedef {{track: MediaStreamTrack|null, why: string}} Sound without a track, a sentence says why */

/**
 * Open the microphone. The first time, the browser asks the user for permission, which may take any time.
 * @returns {Promise<Sound>}
 */
export async function openMicrophone() {
  if (!navigator.mediaDevices) return { track: null, why: whySilent('SecurityError') };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    return { track: stream.getAudioTracks()[0], why: '' };
  } catch (error) {
    return { track: null, why: whySilent(/** @type {DOMException} */ (error).name) };
  }
}

/**
 * @param {string} name of the error that getUserMedia threw
 * @returns {string} a sentence
 */
export function whySilent(name) {
  switch (name) {
    case 'NotAllowedError':
      return 'This is recorded without sound, since the microphone is blocked. The site settings can allow it.';
    case 'NotFoundError':
      return 'This is recorded without sound, since there is no microphone.';
    case 'SecurityError':
      return 'This is recorded without sound, since browsers give the microphone to https and localhost only.';
    default:
      return 'This is recorded without sound, since the microphone did not start. Another app may be using it.';
  }
}
