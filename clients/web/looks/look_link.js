/** Links that carry a look. All that comes from an address is checked here: anybody may have written it. */

/** A style's id, a mix's id, or the name of a shipped style, with moods or without. */
const LOOK = /^[\w. ~-]{1,80}$/;
/** A whole percentage. */
const STRENGTH = /^(100|\d{1,2})$/;

/**
 * What an address asks for.
 * @typedef {object} Wishes
 * @property {string|null} look a style's id or name
 * @property {number|null} strength 0..100
 * @property {boolean} isClean whether the page shows the picture and nothing else
 * @property {boolean} isTransparent whether what is around the picture is transparent then, and not black
 * @property {boolean} starts whether the camera is opened at once
 */

/**
 * @param {string} search as in location.search
 * @returns {Wishes} without what makes no sense
 */
export function readLink(search) {
  const query = new URLSearchParams(search);
  const look = query.get('look') ?? query.get('style') ?? '';
  const strength = query.get('strength') ?? '';
  const isClean = query.get('clean') === '1';
  return {
    look: LOOK.test(look) ? look : null,
    strength: STRENGTH.test(strength) ? Number(strength) : null,
    isClean,
    isTransparent: isClean && query.get('background') === 'transparent',
    starts: isClean || (query.get('source') === 'camera' && query.get('autostart') === '1'),
  };
}

/**
 * @param {string} page the page's address
 * @param {{look: string, strength: number, isClean: boolean}} wishes strength: 0..100
 * @returns {string}
 */
export function linkTo(page, { look, strength, isClean }) {
  const link = new URL(page);
  link.hash = '';
  link.search = String(new URLSearchParams({ look, strength: String(strength), ...(isClean && { clean: '1' }) }));
  return link.href;
}
