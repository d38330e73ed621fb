/** Draws the camera's frames through a bilateral grid, on the GPU, at the camera's own resolution. */

const VERTEX = `#version 300 es
out vec2 position;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0;  // one triangle that covers the canvas
  position = corner;
  gl_Position = vec4(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler3D;
uniform sampler2D image;
uniform sampler3D red;
uniform sampler3D green;
uniform sampler3D blue;
uniform vec2 before;
in vec2 position;
out vec4 colour;
void main() {
  vec4 source = vec4(texture(image, position).rgb, 1.0);
  colour = source;
  if (position.x >= before.x && position.x < before.y) return;
  vec3 cell = vec3(position, dot(source.rgb, vec3(0.299, 0.587, 0.114)));
  colour.r = dot(texture(red, cell), source);
  colour.g = dot(texture(green, cell), source);
  colour.b = dot(texture(blue, cell), source);
}`;

/** Drivers that draw on the CPU. */
const SOFTWARE = /swiftshader|llvmpipe|software|basic render/i;

const CHANNELS = ['red', 'green', 'blue'];
const IMAGE_UNIT = 3;

export class Renderer {
  #canvas;
  /** @type {WebGL2RenderingContext} */
  #gl;
  /** Half floats, but for SwiftShader, which filters them three times slower than floats (45 and 16 ms at 640x360). */
  #gridFormat;
  #beforeUniform;
  #textures = [];
  #grid = null;

  /**
   * @param {HTMLCanvasElement} canvas
   * @throws {Error} when the browser has no WebGL2
   */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#gl = canvas.getContext('webgl2', { alpha: false, depth: false, antialias: false });
    if (!this.#gl) throw new Error('This browser has no WebGL2.');
    canvas.addEventListener('webglcontextlost', this.#onLost);
    canvas.addEventListener('webglcontextrestored', this.#onRestored);
    this.#build();
  }

  /** @returns {boolean} whether the CPU does the GPU's work */
  get onCpu() {
    const info = this.#gl.getExtension('WEBGL_debug_renderer_info');
    return SOFTWARE.test(this.#gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : this.#gl.RENDERER));
  }

  /** @param {import('./reassemble.js').Grid} grid for the frames from now on */
  setGrid(grid) {
    this.#grid = grid;
    const gl = this.#gl;
    const [depth, rows, columns] = grid.size;
    CHANNELS.forEach((_, unit) => {
      const channel = grid.coefficients.subarray(unit * 4 * depth * rows * columns);
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.texImage3D(gl.TEXTURE_3D, 0, this.#gridFormat, columns, rows, depth, 0, gl.RGBA, gl.FLOAT, channel);
    });
  }

  /**
   * Take the picture to draw; the canvas takes its size.
   * @param {TexImageSource} source
   * @param {number} width in pixels
   * @param {number} height in pixels
   */
  setImage(source, width, height) {
    const gl = this.#gl;
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    gl.activeTexture(gl.TEXTURE0 + IMAGE_UNIT);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, source);
  }

  /**
   * Draw the picture, untouched where `before` says so.
   * @param {[number, number]} before from and to, as fractions of the width
   */
  draw(before) {
    const gl = this.#gl;
    gl.viewport(0, 0, this.#canvas.width, this.#canvas.height);
    gl.uniform2f(this.#beforeUniform, ...before);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  destroy() {
    this.#canvas.removeEventListener('webglcontextlost', this.#onLost);
    this.#canvas.removeEventListener('webglcontextrestored', this.#onRestored);
    this.#textures.forEach((texture) => this.#gl.deleteTexture(texture));
  }

  #onLost = (event) => event.preventDefault(); // otherwise the browser never restores it

  #onRestored = () => {
    this.#build();
    if (this.#grid) this.setGrid(this.#grid);
  };

  #build() {
    const gl = this.#gl;
    const filtersFloats = gl.getExtension('OES_texture_float_linear') !== null;
    this.#gridFormat = this.onCpu && filtersFloats ? gl.RGBA32F : gl.RGBA16F;
    const program = linkProgram(gl);
    gl.useProgram(program);
    CHANNELS.forEach((name, unit) => gl.uniform1i(gl.getUniformLocation(program, name), unit));
    gl.uniform1i(gl.getUniformLocation(program, 'image'), IMAGE_UNIT);
    this.#beforeUniform = gl.getUniformLocation(program, 'before');
    this.#textures = [...CHANNELS.map((_, unit) => addTexture(gl, unit, gl.TEXTURE_3D)),
      addTexture(gl, IMAGE_UNIT, gl.TEXTURE_2D)];
  }
}

function linkProgram(gl) {
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`The graphics driver refused the shader: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}

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
