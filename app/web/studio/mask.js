/** Which pixels of a picture are to be painted over. */

/** How what is painted looks; the safelight, which no drawing has by chance. */
const PAINT = '#ff5a36';

/** A mask of a picture's size; what is painted is opaque in its canvas. */
export class Mask {
  #listeners = new Set();

  /** @param {number} width @param {number} height */
  constructor(width, height) {
    this.canvas = document.createElement('canvas');
    this.canvas.width = width;
    this.canvas.height = height;
    this.brush = this.canvas.getContext('2d', { willReadFrequently: true });
    this.isEmpty = true;
  }

  /** Paints from one place to another, or rubs out. Units: pixels of the picture. */
  stroke(from, to, diameter, erasing) {
    const { brush } = this;
    brush.globalCompositeOperation = erasing ? 'destination-out' : 'source-over';
    brush.strokeStyle = PAINT;
    brush.lineCap = 'round';
    brush.lineJoin = 'round';
    brush.lineWidth = diameter;
    brush.beginPath();
    brush.moveTo(from.x, from.y);
    brush.lineTo(to.x, to.y + (from.x === to.x && from.y === to.y ? 0.01 : 0));
    brush.stroke();
    this.#changed();
  }

  /** Nothing is painted. */
  clear() {
    this.brush.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.#changed();
  }

  /** What was painted is not, and what was not is. */
  invert() {
    this.brush.globalCompositeOperation = 'xor';
    this.brush.fillStyle = PAINT;
    this.brush.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.#changed();
  }

  /** Calls back after each change, until the function that it returns is called. */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** As the API takes it: white where something is painted, black elsewhere, and nothing in between. @returns {Promise<Blob>} */
  async file() {
    const { width, height } = this.canvas;
    const pixels = this.brush.getImageData(0, 0, width, height);
    for (let at = 0; at < pixels.data.length; at += 4) {
      const tone = pixels.data[at + 3] > 127 ? 255 : 0;
      pixels.data.set([tone, tone, tone, 255], at);
    }
    const sheet = document.createElement('canvas');
    sheet.width = width;
    sheet.height = height;
    sheet.getContext('2d').putImageData(pixels, 0, 0);
    return new Promise((resolve) => sheet.toBlob(resolve, 'image/png'));
  }

  #changed() {
    const { data } = this.brush.getImageData(0, 0, this.canvas.width, this.canvas.height);
    this.isEmpty = true;
    for (let at = 3; at < data.length && this.isEmpty; at += 4) this.isEmpty = data[at] <= 127;
    for (const listener of this.#listeners) listener();
  }
}
