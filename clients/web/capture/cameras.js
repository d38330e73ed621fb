/** Which cameras there are, and which one comes after the one in use. */

/** @typedef {'user'|'environment'} Facing the front or the back camera */
/** @typedef {{id: string, label: string, facing: Facing|null}} Camera facing: null where it is not known */
/** @typedef {{facing: Facing}|{id: string}} CameraChoice by its side on a phone, else by its id */

/** What browsers call a phone's cameras, where they do not say in which direction they look. */
const NAMES = { environment: /\b(back|rear|environment)\b/i, user: /\b(front|user|facetime)\b/i };

/**
 * The cameras among the devices.
 * @param {MediaDeviceInfo[]} devices
 * @returns {Camera[]} without name and id, and perhaps one only, until the page was allowed to use a camera
 */
export function camerasOf(devices) {
  return devices.filter(({ kind }) => kind === 'videoinput').map((device, index) => ({
    id: device.deviceId,
    label: device.label || `Camera ${index + 1}`,
    facing: facingOf(device),
  }));
}

/**
 * What one press of the switch does.
 * @param {Camera[]} cameras
 * @param {{id: string|null, facing: Facing|null}} current the camera in use
 * @returns {CameraChoice|'list'|null} null when there is no other camera, 'list' when the user has to say which one
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
 * What to ask the browser for.
 * @param {CameraChoice} choice
 * @param {boolean} isExact whether no other than the one chosen by its id will do
 * @returns {MediaTrackConstraints}
 */
export function constraintsFor(choice, isExact) {
  const size = { width: { ideal: 1920 }, height: { ideal: 1080 }, frameRate: { ideal: 30 } };
  if ('facing' in choice) return { ...size, facingMode: { ideal: choice.facing } };
  return { ...size, deviceId: isExact ? { exact: choice.id } : { ideal: choice.id } };
}

/** @returns {Promise<Camera[]>} those of this device */
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
