/** Draws the camera's frames with the newest answer, on the GPU, in the camera's own resolution. */

/**
 * How a frame is made from the answer to a key frame.
 * grid: each pixel is transformed as its place in the key frame was.
 * residual: the stylized key frame is warped, and the change since then is transformed and added.
 * warp: the stylized key frame is warped.
 * @typedef {'grid'|'residual'|'warp'} Mode
 */

/** @typedef {Mode|'inPlace'} Drawing a mode, or 'inPlace': the grid is not moved, because the motion is unknown */

/** @typedef {[from: number, to: number]} Span a range of columns, as fractions of the width */

/** @typedef {import('../basics/canvas.js').FrameSource} FrameSource */
/** @typedef {import('./grid.js').Grid} Grid */
/** @typedef {import('../flow/tracker.js').Flow} Flow */

const VERTEX = `#version 300 es
uniform float up;
out vec2 position;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0;  // one triangle covers the canvas
  position = corner;
  gl_Position = vec4(corner.x * 2.0 - 1.0, up * (corner.y * 2.0 - 1.0), 0.0, 1.0);  // up: -1 on the canvas
}`;

const HEAD = `#version 300 es
precision highp float;
precision highp sampler3D;
uniform sampler3D red;
uniform sampler3D green;
uniform sampler3D blue;
uniform sampler2D image;
uniform sampler2D flow;
uniform sampler2D key;
uniform sampler2D stylized;
uniform vec2 before;
in vec2 position;
out vec4 colour;

vec3 transform(vec2 place, vec3 guide, vec4 source) {
  vec3 cell = vec3(place, dot(guide, vec3(0.299, 0.587, 0.114)));
  return vec3(dot(texture(red, cell), source), dot(texture(green, cell), source), dot(texture(blue, cell), source));
}

vec3 inPlace(vec3 source) {
  return transform(position, source, vec4(source, 1.0));
}

// A place that the key frame does not show is transformed in place. An almost valid place counts as valid, since a mix
// costs twice as much.
vec3 filled(vec3 moved, vec3 source, float validity) {
  if (validity > 0.98) return moved;
  return mix(inPlace(source), moved, validity);
}
`;

/**
 * The shader's function for the colour of a pixel, in each mode.
 * @type {Record<Drawing, string>}
 */
const STYLIZE = {
  inPlace: `
vec3 stylize(vec3 source) {
  return inPlace(source);
}`,
  grid: `
vec3 stylize(vec3 source) {
  vec3 move = texture(flow, position).xyz;
  return filled(transform(position + move.xy, source, vec4(source, 1.0)), source, move.z);
}`,
  residual: `
vec3 stylize(vec3 source) {
  vec3 move = texture(flow, position).xyz;
  vec3 was = texture(key, position + move.xy).rgb;
  vec3 change = transform(position + move.xy, was, vec4(source - was, 0.0));
  return filled(texture(stylized, position + move.xy).rgb + change, source, move.z);
}`,
  warp: `
vec3 stylize(vec3 source) {
  return texture(stylized, position + texture(flow, position).xy).rgb;
}`,
};

// Below a whole level, so that a colour which is one already stays.
const MAIN = `
const float DITHER = 0.98 / 255.0;

// Interleaved gradient noise (Jimenez 2014), -0.5 to 0.5: fractions of a level become fine grain, not bands.
float grain() {
  return fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715)))) - 0.5;
}

void main() {
  vec3 source = texture(image, position).rgb;
  bool untouched = position.x >= before.x && position.x < before.y;
  colour = vec4(untouched ? source : stylize(source) + DITHER * grain(), 1.0);
}`;

/** The names of drivers that draw on the CPU. */
const SOFTWARE = /swiftshader|llvmpipe|software|basic render/i;

const CHANNELS = ['red', 'green', 'blue'];
/** The shader's samplers, each on the texture unit of its index. */
const SAMPLERS = [...CHANNELS, 'image', 'flow', 'key', 'stylized'];
const [IMAGE_UNIT, FLOW_UNIT, KEY_UNIT, STYLIZED_UNIT] = [3, 4, 5, 6];

export class Renderer {
  #canvas;
  /** @type {WebGL2RenderingContext} */
  #gl;
  #mode;
  /**
   * The textures' internal format, chosen by `#build`. It is half floats, except on the CPU: SwiftShader filters floats
   * three times faster (16 ms instead of 45 at 640x360).
   * @type {GLenum}
   */
  #floatFormat = 0;
  /** @type {Map<Drawing, WebGLProgram>} */
  #programs = new Map();
  /** @type {WebGLTexture[]} in the order of SAMPLERS */
  #textures = [];
  /** @type {WebGLFramebuffer|null} the one that draws into the stylized key frame */
  #frameBuffer = null;
  /** @type {Grid|null} */
  #grid = null;
  /** @type {Flow|null} */
  #flow = null;
  /** @type {HTMLCanvasElement|OffscreenCanvas|null} the key frame */
  #key = null;
  /** @type {WebGLSync|null} signalled when the last drawing is done */
  #drawn = null;

  /** @type {true} whether frames are drawn along the flow */
  usesFlow = true;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Mode} [mode]
   * @throws {Error} if the browser has no WebGL2
   */
  constructor(canvas, mode = 'grid') {
    this.#canvas = canvas;
    this.#mode = mode;
    const gl = canvas.getContext('webgl2', { alpha: false, depth: false, antialias: false });
    if (!gl) throw new Error('This browser has no WebGL2.');
    this.#gl = gl;
    canvas.addEventListener('webglcontextlost', this.#onLost);
    canvas.addEventListener('webglcontextrestored', this.#onRestored);
    this.#build();
  }

  /** @returns {boolean} whether the CPU does the GPU's work */
  get onCpu() {
    const info = this.#gl.getExtension('WEBGL_debug_renderer_info');
    return SOFTWARE.test(this.#gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : this.#gl.RENDERER));
  }

  /** @returns {boolean} whether the last drawing is not done yet, so that another one would only wait for it */
  get busy() {
    const gl = this.#gl;
    return this.#drawn !== null && gl.getSyncParameter(this.#drawn, gl.SYNC_STATUS) === gl.UNSIGNALED;
  }

  /** @param {Grid} grid the grid for frames from now on */
  setGrid(grid) {
    this.#grid = grid;
    const gl = this.#gl;
    const [depth, rows, columns] = grid.shape;
    CHANNELS.forEach((_, unit) => {
      const channel = grid.coefficients.subarray(unit * 4 * depth * rows * columns);
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.texImage3D(gl.TEXTURE_3D, 0, this.#floatFormat, columns, rows, depth, 0, gl.RGBA, gl.FLOAT, channel);
    });
    this.#stylizeKey();
  }

  /** @param {HTMLCanvasElement|OffscreenCanvas|null} picture the key frame itself, for modes residual and warp */
  setKey(picture) {
    this.#key = picture;
    if (!picture) return;
    const gl = this.#gl;
    gl.activeTexture(gl.TEXTURE0 + KEY_UNIT);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
    gl.activeTexture(gl.TEXTURE0 + STYLIZED_UNIT);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, picture.width, picture.height, 0, gl.RGBA, gl.UNSIGNED_BYTE, null);
    this.#stylizeKey();
  }

  /** @param {Flow|null} flow the flow to the key frame; null if the motion is unknown */
  setFlow(flow) {
    if (flow === this.#flow) return;
    this.#flow = flow;
    if (!flow) return;
    const gl = this.#gl;
    gl.activeTexture(gl.TEXTURE0 + FLOW_UNIT);
    const { width, height, normalizedFlow } = flow;
    gl.texImage2D(gl.TEXTURE_2D, 0, this.#floatFormat, width, height, 0, gl.RGBA, gl.FLOAT, normalizedFlow);
  }

  /**
   * Take the picture to draw, which is the upper left part of `source`. The canvas gets its size.
   * @param {FrameSource} source
   * @param {number} width in pixels
   * @param {number} height in pixels
   */
  setImage(source, width, height) {
    const gl = this.#gl;
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    gl.activeTexture(gl.TEXTURE0 + IMAGE_UNIT);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, source);
  }

  /**
   * Draw the picture.
   * @param {Span} before the part to leave untouched
   */
  draw(before) {
    const { width, height } = this.#canvas;
    this.#run(this.#drawable(), IMAGE_UNIT, { width, height, up: -1, before });
    this.#gl.deleteSync(this.#drawn);
    this.#drawn = this.#gl.fenceSync(this.#gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    this.#gl.flush();
  }

  destroy() {
    this.#canvas.removeEventListener('webglcontextlost', this.#onLost);
    this.#canvas.removeEventListener('webglcontextrestored', this.#onRestored);
    this.#textures.forEach((texture) => this.#gl.deleteTexture(texture));
    this.#gl.getExtension('WEBGL_lose_context')?.loseContext(); // browsers keep only so many
  }

  /** @param {Event} event */
  #onLost = (event) => event.preventDefault(); // otherwise the browser never restores the context

  #onRestored = () => {
    this.#build();
    const flow = this.#flow;
    this.#flow = null;
    if (this.#grid) this.setGrid(this.#grid);
    this.setKey(this.#key);
    this.setFlow(flow);
  };

  /** @returns {Drawing} the mode, or the best one that is possible with what has arrived so far */
  #drawable() {
    if (!this.#flow) return 'inPlace';
    return this.#key ? this.#mode : 'grid';
  }

  /** Make the stylized key frame by applying the grid, so that it fades as the grid does. */
  #stylizeKey() {
    if (!this.#key || !this.#grid) return;
    const gl = this.#gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#frameBuffer);
    const { width, height } = this.#key;
    this.#run('inPlace', KEY_UNIT, { width, height, up: 1, before: [0, 0] });
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }

  /**
   * Draw into the current framebuffer.
   * @param {Drawing} name
   * @param {number} imageUnit the texture unit of the untouched picture
   * @param {{width: number, height: number, up: 1|-1, before: Span}} target with an `up` of -1 for the canvas, whose
   *   rows begin at its top
   */
  #run(name, imageUnit, { width, height, up, before }) {
    const gl = this.#gl;
    const program = /** @type {WebGLProgram} */ (this.#programs.get(name));
    gl.viewport(0, 0, width, height);
    gl.useProgram(program);
    gl.uniform1i(gl.getUniformLocation(program, 'image'), imageUnit);
    gl.uniform1f(gl.getUniformLocation(program, 'up'), up);
    gl.uniform2f(gl.getUniformLocation(program, 'before'), before[0], before[1]);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  #build() {
    const gl = this.#gl;
    this.#drawn = null;
    const filtersFloats = gl.getExtension('OES_texture_float_linear') !== null;
    this.#floatFormat = this.onCpu && filtersFloats ? gl.RGBA32F : gl.RGBA16F;
    /** @type {Drawing[]} */
    const drawings = ['inPlace', 'grid', this.#mode];
    this.#programs = new Map(drawings.map((name) => [name, linkProgram(gl, STYLIZE[name])]));
    this.#textures = SAMPLERS.map((name, unit) => {
      return addTexture(gl, unit, CHANNELS.includes(name) ? gl.TEXTURE_3D : gl.TEXTURE_2D);
    });
    this.#frameBuffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#frameBuffer);
    const stylized = this.#textures[STYLIZED_UNIT];
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, stylized, 0);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {string} stylize the source of the shader's function of this name
 * @returns {WebGLProgram}
 * @throws {Error} if the driver does not compile it
 */
function linkProgram(gl, stylize) {
  const program = gl.createProgram();
  addShader(gl, program, gl.VERTEX_SHADER, VERTEX);
  addShader(gl, program, gl.FRAGMENT_SHADER, HEAD + stylize + MAIN);
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`The graphics driver refused the shader: ${gl.getProgramInfoLog(program)}`);
  }
  gl.useProgram(program);
  SAMPLERS.forEach((name, unit) => gl.uniform1i(gl.getUniformLocation(program, name), unit));
  return program;
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {WebGLProgram} program
 * @param {GLenum} type VERTEX_SHADER or FRAGMENT_SHADER
 * @param {string} source
 */
function addShader(gl, program, type, source) {
  const shader = /** @type {WebGLShader} */ (gl.createShader(type)); // null only for an unknown type
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  gl.attachShader(program, shader);
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {number} unit
 * @param {GLenum} target TEXTURE_2D or TEXTURE_3D
 * @returns {WebGLTexture} bound to the unit; interpolated, with clamped edges
 */
function addTexture(gl, unit, target) {
  const texture = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(target, texture);
  for (const wrap of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R]) {
    gl.texParameteri(target, wrap, gl.CLAMP_TO_EDGE);
  }
  for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(target, filter, gl.LINEAR);
  return texture;
}
