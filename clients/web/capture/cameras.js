/** Which cameras and resolutions there are, and which camera comes after the one in use. */

/** @typedef {'user'|'environment'} Facing the front or the back camera */
/** @typedef {{id: string, label: string, facing: Facing|null}} Camera facing is null if it is not known */
/** @typedef {{facing: Facing}|{id: string}} CameraChoice a phone's front or back camera, or a camera with an id */

/** @typedef {{name: string, width: number, height: number}} Resolution in pixels */

/** What cameras are asked for; each gives the nearest that it has. */
export const RESOLUTIONS = [
  { name: '720p', width: 1280, height: 720 },
  { name: '1080p', width: 1920, height: 1080 },
  { name: '4K', width: 3840, height: 2160 },
];
/** What is asked for until the user chooses. */
export const FIRST_RESOLUTION = RESOLUTIONS[1];

/** Names that browsers give a phone's cameras, for browsers that do not tell in which direction a camera faces. */
const NAMES = { environment: /\b(back|rear|environment)\b/i, user: /\b(front|user|facetime)\b/i };

/**
 * The cameras among the devices. Until the page was allowed to use one, they have no names and ids, and there may be
 * only one.
 * @param {MediaDeviceInfo[]} devices
 * @returns {Camera[]}
 */
export function camerasOf(devices) {
  return devices.filter(({ kind }) => kind === 'videoinput').map((device, index) => ({
    id: device.deviceId,
    label: device.label || `Camera ${index + 1}`,
    facing: facingOf(device),
  }));
}

/**
 * Which camera one press of the switch changes to.
 * @param {Camera[]} cameras
 * @param {{id: string|null, facing: Facing|null}} current the camera in use
 * @returns {CameraChoice|'list'|null} null if there is no other camera, 'list' if the user has to choose among several
 */
export function nextCamera(cameras, current) {
  const others = cameras.filter(({ id }) => id !== current.id);
  if (cameras.length < 2 || !others.length) return null;
  const facing = current.facing ?? cameras.find(({ id }) => id === current.id)?.facing;
  const opposite = facing === 'user' ? 'environment' : 'user';
  if (facing && others.some((camera) => camera.facing === opposite)) return { facing: opposite };
  return others.length === 1 ? { id: others[0].id } : 'list';
}

/**
 * The resolutions to offer for a camera.
 * @param {number} [widest] the camera's largest width in pixels, if it is known
 * @returns {Resolution[]} at least the smallest one
 */
export function resolutionsUpTo(widest = Infinity) {
  return RESOLUTIONS.filter(({ width }, index) => index === 0 || width <= widest);
}

/**
 * The constraints that ask a camera for a resolution.
 * @param {Resolution} resolution
 * @returns {MediaTrackConstraints}
 */
export function sizeConstraints({ width, height }) {
  return { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 30 } };
}

/**
 * The constraints by which to ask the browser for a camera.
 * @param {CameraChoice} choice
 * @param {boolean} isExact whether only the camera with the chosen id will do
 * @param {Resolution} [resolution]
 * @returns {MediaTrackConstraints}
 */
export function constraintsFor(choice, isExact, resolution = FIRST_RESOLUTION) {
  const size = sizeConstraints(resolution);
  if ('facing' in choice) return { ...size, facingMode: { ideal: choice.facing } };
  return { ...size, deviceId: isExact ? { exact: choice.id } : { ideal: choice.id } };
}

/** @returns {Promise<Camera[]>} this device's cameras */
export async function listCameras() {
  return camerasOf(await navigator.mediaDevices?.enumerateDevices().catch(() => []) ?? []);
}

/**
 * @param {MediaDeviceInfo & {getCapabilities?: () => MediaTrackCapabilities}} device
 * @returns {Facing|null}
 */
function facingOf(device) {
  const told = device.getCapabilities?.().facingMode?.[0];
  return facingNamed(told, device.label);
}

/**
 * @param {string|undefined} told what the browser says about the direction, if it does
 * @param {string} label the camera's name
 * @returns {Facing|null}
 */
export function facingNamed(told, label) {
  if (told === 'user' || told === 'environment') return told;
  if (NAMES.environment.test(label)) return 'environment';
  return NAMES.user.test(label) ? 'user' : null;
}
