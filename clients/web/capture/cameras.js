/** Which cameras there are, and which one comes after the one in use. */

/** @typedef {'user'|'environment'} Facing the front or the back camera */
/** @typedef {{id: string, label: string, facing: Facing|null}} Camera facing is null if it is not known */
/** @typedef {{facing: Facing}|{id: string}} CameraChoice a phone's front or back camera, or a camera with an id */

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
 * The constraints by which to ask the browser for a camera.
 * @param {CameraChoice} choice
 * @param {boolean} isExact whether only the camera with the chosen id will do
 * @returns {MediaTrackConstraints}
 */
export function constraintsFor(choice, isExact) {
  const size = { width: { ideal: 1920 }, height: { ideal: 1080 }, frameRate: { ideal: 30 } };
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
  if (told === 'user' || told === 'environment') return told;
  if (NAMES.environment.test(device.label)) return 'environment';
  return NAMES.user.test(device.label) ? 'user' : null;
}
