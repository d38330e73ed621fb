// The page's other decisions: which camera, which style, what to record, where the picture lies, what does not work.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { camerasOf, constraintsFor, nextCamera, resolutionsUpTo } from '../../../clients/web/capture/cameras.js';
import { StyleChoice } from '../../../clients/web/net/style_choice.js';
import { surplus } from '../../../clients/web/shots/collection.js';
import { bitsPerS, extensionOf, recordingSize, recordingType } from '../../../clients/web/shots/format.js';
import { letterbox } from '../../../clients/web/shots/letterbox.js';
import { elapsed } from '../../../clients/web/status/words.js';
import { limitsOf } from '../../../clients/web/ui/limits.js';

// times

test('a time is said in its two largest units at most', () => {
  assert.deepEqual([0, 59, 61, 3600, 3700, 7200, 100_000, 180_000].map(elapsed),
    ['0 s', '59 s', '1 min', '60 min', '1 h 2 min', '2 h', '27 h 47 min', '2 d']);
});

// cameras

const camera = (deviceId, label = '', facingMode = undefined) => ({
  kind: 'videoinput', deviceId, label, getCapabilities: facingMode && (() => ({ facingMode: [facingMode] })),
});

test('cameras are the devices that give video, with a name and what is known of their side', () => {
  const devices = [
    { kind: 'audioinput', deviceId: 'mic', label: 'Microphone' }, camera('a', 'camera2 0, facing back'),
    camera('b', 'Front Camera'), camera('c'), camera('d', 'USB Video', 'environment'), camera('e', 'Background cam'),
  ];

  assert.deepEqual(camerasOf(devices), [
    { id: 'a', label: 'camera2 0, facing back', facing: 'environment' },
    { id: 'b', label: 'Front Camera', facing: 'user' },
    { id: 'c', label: 'Camera 3', facing: null },
    { id: 'd', label: 'USB Video', facing: 'environment' },
    { id: 'e', label: 'Background cam', facing: null },
  ]);
});

test('the switch goes to the other side of a phone, to the other of two, or asks', () => {
  const desk = camerasOf([camera('a', 'Webcam'), camera('b', 'Microscope')]);
  const phone = camerasOf([camera('f', 'Front'), camera('b', 'Back'), camera('w', 'Back wide')]);
  const three = camerasOf([camera('a', 'One'), camera('b', 'Two'), camera('c', 'Three')]);

  assert.deepEqual(nextCamera(desk, { id: 'a', facing: null }), { id: 'b' });
  assert.deepEqual(nextCamera(desk, { id: 'b', facing: null }), { id: 'a' });
  assert.deepEqual(nextCamera(phone, { id: 'f', facing: 'user' }), { facing: 'environment' });
  assert.deepEqual(nextCamera(phone, { id: 'w', facing: 'environment' }), { facing: 'user' });
  assert.deepEqual(nextCamera(phone, { id: 'b', facing: null }), { facing: 'user' });
  assert.equal(nextCamera(three, { id: 'b', facing: null }), 'list');
  assert.equal(nextCamera(desk.slice(0, 1), { id: 'a', facing: null }), null);
  assert.equal(nextCamera([], { id: null, facing: null }), null);
});

test('a camera chosen by name is that one or none, and any other will do only to try again', () => {
  assert.deepEqual(constraintsFor({ id: 'a' }, true).deviceId, { exact: 'a' });
  assert.deepEqual(constraintsFor({ id: 'a' }, false).deviceId, { ideal: 'a' });
  assert.deepEqual(constraintsFor({ facing: 'user' }, true).facingMode, { ideal: 'user' });
});

test('resolutions are offered as far as the camera can, and one at least', () => {
  const names = (widest) => resolutionsUpTo(widest).map(({ name }) => name);

  assert.deepEqual([names(640), names(1920), names(undefined)], [['720p'], ['720p', '1080p'], ['720p', '1080p', '4K']]);
  assert.equal(constraintsFor({ facing: 'user' }, false, { name: '4K', width: 3840, height: 2160 }).width.ideal, 3840);
});

// styles

test('of styles the last one chosen is shown, in whatever order looks arrive', () => {
  const choice = new StyleChoice();
  choice.choose('a', 0);
  choice.choose('b', 10);

  assert.deepEqual(['a', 'b', 'a', 'b'].map((id) => choice.judge(id, 100)), ['ignore', 'show', 'ignore', 'show']);
});

test('a server that keeps to another style is told twice more, and is then believed', () => {
  const choice = new StyleChoice();
  choice.choose('mine', 0);
  const verdicts = [];
  for (let now = 0; now < 12_000; now += 500) verdicts.push(choice.judge('theirs', now));

  assert.deepEqual(verdicts.filter((verdict) => verdict !== 'ignore').slice(0, 4), ['repeat', 'repeat', 'yield', 'show']);
  assert.equal(choice.id, 'theirs');
});

test('a choice made anew is told anew, and none at all leaves it to the server', () => {
  const choice = new StyleChoice();
  assert.equal(choice.judge('any', 0), 'show');
  choice.choose('a', 0);
  assert.equal(choice.judge('b', 3000), 'repeat');
  choice.choose('c', 3001);
  assert.equal(choice.judge('b', 5000), 'ignore');
});

// recordings

test('MP4 is recorded with H.264 only, before WebM, and the name ends as the type says', () => {
  const chooses = (hasSound, ...types) => recordingType((type) => types.some((each) => type.startsWith(each)), hasSound);

  assert.match(chooses(false, 'video/mp4', 'video/webm'), /^video\/mp4;codecs=avc1/);
  assert.equal(chooses(false, 'video/mp4;codecs=avc1.42E01E', 'video/webm'), 'video/mp4;codecs=avc1.42E01E');
  assert.equal(recordingType((type) => type === 'video/mp4' || type.startsWith('video/webm'), false), 'video/webm;codecs=vp9');
  assert.equal(recordingType((type) => type === 'video/mp4', false), undefined);
  assert.deepEqual(['video/mp4;codecs=avc1.42E01E', 'video/webm', 'image/jpeg'].map(extensionOf), ['mp4', 'webm', 'jpg']);
});

test('sound is AAC where there is an encoder for it, and H.264 comes before that', () => {
  const without = (...missing) => recordingType((type) => !missing.some((each) => type.includes(each)), true);

  assert.equal(without(), 'video/mp4;codecs=avc1.640028,mp4a.40.2');
  assert.equal(without('mp4a'), 'video/mp4;codecs=avc1.640028,opus');
  assert.equal(without('avc1', 'vp9'), 'video/webm;codecs=vp8,opus');
});

test('a recording has even sides, at most 1080p, and the shape of its first picture', () => {
  assert.deepEqual(recordingSize({ width: 641, height: 359 }), { width: 642, height: 360 });
  assert.deepEqual(recordingSize({ width: 3840, height: 2160 }), { width: 1920, height: 1080 });
  assert.deepEqual(recordingSize({ width: 3024, height: 4032 }), { width: 1248, height: 1662 });
  assert.deepEqual([{ width: 640, height: 360 }, { width: 1920, height: 1080 }].map(bitsPerS), [2_000_000, 8_087_040]);
});

test('of too many shots the saved ones go first, the oldest before others, and never the newest', () => {
  const shots = Array.from({ length: 15 }, (_, index) => ({ file: { size: 1 }, isSaved: index % 7 === 6, index }));
  const large = [1, 2, 3].map((index) => ({ file: { size: 400e6 }, isSaved: true, index }));

  assert.deepEqual(surplus(shots).map(({ index }) => index), [6, 13, 0]);
  assert.deepEqual(surplus(large).map(({ index }) => index), [1, 2]);
  assert.deepEqual(surplus(shots.slice(0, 12)), []);
});

test('a picture of another shape is whole, in the middle, and keeps its proportions', () => {
  const frame = { width: 640, height: 360 };

  assert.deepEqual(letterbox({ width: 640, height: 360 }, frame), { left: 0, top: 0, width: 640, height: 360 });
  assert.deepEqual(letterbox({ width: 360, height: 640 }, frame), { left: 219, top: 0, width: 203, height: 360 });
  assert.deepEqual(letterbox({ width: 1280, height: 320 }, frame), { left: 0, top: 100, width: 640, height: 160 });
});

// limits

test('what is missing is said, with the reason and the way out', () => {
  const all = { isSecure: true, hasCameras: true, canStayAwake: true, canStore: true };

  assert.equal(limitsOf(all), '');
  assert.equal(limitsOf({ ...all, canStore: false }), 'This browser forgets your photos and choices when you leave.');
  assert.equal(limitsOf({ ...all, isSecure: false, hasCameras: false, canStayAwake: false }),
    'This page came over plain http, so the browser gives no camera and lets the screen go dark. '
    + 'Video files work. For the camera, start the server with --tls and open its https address.');
});
