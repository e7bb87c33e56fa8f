// Grey pictures: square, flat, row after row.

/** Draw a picture at a place of a canvas, `size` pixels wide: `low` is black and `high` white. */
export function draw_picture(context, x, left, top, size, { low = -1, high = 1 } = {}) {
  const side = Math.sqrt(x.length);
  const image = new ImageData(side, side);
  x.forEach((value, i) => {
    const grey = (255 * (value - low)) / (high - low); // what is beyond 0 and 255 is cut by the image
    image.data.set([grey, grey, grey, 255], 4 * i);
  });
  const small = Object.assign(document.createElement("canvas"), { width: side, height: side });
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, left, top, size, size);
}
