// Pictures out of sprite sheets: where a cell lies, and canvases that show cells once they come into sight.
"use strict";

zfpipe.pictures = (() => {
  const { el } = zfpipe;
  const KEPT = 120; // sheets that are held ready
  const GAP = 3; // pixels between the pictures of a tile
  const LEAST = 56; // pixels that a picture of a tile is drawn at, at least: small ones get larger squares
  const sheets = new Map();

  function sheet(source) {
    if (!sheets.has(source)) {
      sheets.set(
        source,
        new Promise((resolve, reject) => {
          const image = new Image();
          image.onload = () => resolve(image);
          image.onerror = () => reject(new Error(`${source} cannot be read; is this folder whole?`));
          image.src = source;
        }),
      );
      if (sheets.size > KEPT) sheets.delete(sheets.keys().next().value);
    }
    return sheets.get(source);
  }

  // The file and the corner of a cell: block `position`, cell `rank` of it.
  function place(layout, position, rank) {
    const [down, across] = layout.blocks;
    const [rows, columns] = layout.block;
    const within = position % (down * across);
    const row = Math.floor(within / across) * rows + Math.floor(rank / columns);
    const column = (within % across) * columns + (rank % columns);
    const number = Math.floor(position / (down * across));
    return {
      source: `${layout.stem}-${number}.${layout.kind}`,
      top: row * layout.stride[0],
      left: column * layout.stride[1],
    };
  }

  // Top, left, bottom, right of an entry's patch in the image, in pixels of the input.
  function box(layer, position, rank) {
    const at = [layer.row[position][rank], layer.col[position][rank]];
    const corner = [0, 1].map((axis) =>
      layer.crop[axis] < layer.input_size[axis] ? layer.start[axis] + at[axis] * layer.jump[axis] : 0,
    );
    return [corner[0], corner[1], corner[0] + layer.crop[0], corner[1] + layer.crop[1]];
  }

  // What of a cell lies past the border of the image, as x, y, width, height.
  function outside(layer, position, rank, x, y, width, height) {
    const [top, left, bottom, right] = box(layer, position, rank);
    const [high, wide] = layer.input_size;
    const above = Math.round((Math.max(0, -top) / layer.crop[0]) * height);
    const below = Math.round((Math.max(0, bottom - high) / layer.crop[0]) * height);
    const before = Math.round((Math.max(0, -left) / layer.crop[1]) * width);
    const after = Math.round((Math.max(0, right - wide) / layer.crop[1]) * width);
    const parts = [
      [x, y, width, above],
      [x, y + height - below, width, below],
      [x, y, before, height],
      [x + width - after, y, after, height],
    ];
    return parts.filter((part) => part[2] && part[3]);
  }

  // Draw a cell, and leave empty what lies past the border of the image; return which parts that are.
  async function drawCell(context, layer, layout, position, rank, x, y, width, height) {
    const at = place(layout, position, rank);
    const image = await sheet(at.source);
    context.imageSmoothingEnabled = false;
    context.drawImage(image, at.left, at.top, layout.cell[1], layout.cell[0], x, y, width, height);
    const parts = outside(layer, position, rank, x, y, width, height);
    for (const part of parts) context.clearRect(...part);
    return parts;
  }

  // Hatch parts of a canvas, in a grey that is seen on light and dark: the page's own hatching, behind the canvas,
  // would stand between the pictures of a tile too.
  function hatch(context, parts) {
    if (!parts.length) return;
    const { width, height } = context.canvas;
    const step = Math.max(5, width / 26); // however large a canvas is, it is shown about 150 pixels wide
    context.save();
    context.beginPath();
    for (const part of parts) context.rect(...part);
    context.clip();
    context.beginPath();
    for (let at = step; at < width + height; at += step) {
      context.moveTo(at, 0);
      context.lineTo(at - height, height);
    }
    context.lineWidth = step / 5;
    context.strokeStyle = "rgb(128 128 128 / .7)";
    context.stroke();
    context.restore();
  }

  const layoutOf = (layer, kind, size) => layer.sheets[`${size} ${kind}`] || layer.sheets[`full ${kind}`];
  const enlarged = (cell) => Math.max(1, Math.round(LEAST / Math.max(...cell)));

  // One entry at full size.
  function entry(layer, position, rank, kind, label) {
    const layout = layoutOf(layer, kind, "full");
    const by = enlarged(layout.cell);
    const [height, width] = layout.cell.map((side) => side * by);
    const canvas = el("canvas", { class: "hatched", width, height, role: "img", "aria-label": label });
    whenSeen(canvas, () => drawCell(canvas.getContext("2d"), layer, layout, position, rank, 0, 0, width, height));
    return canvas;
  }

  // A unit as a square of its entries.
  function tile(layer, position, kind, label) {
    const layout = layoutOf(layer, kind, "tile");
    const by = enlarged(layout.cell);
    const [height, width] = layout.cell.map((side) => side * by);
    const side = Math.ceil(Math.sqrt(layer.k));
    const canvas = el("canvas", {
      width: side * width + (side - 1) * GAP,
      height: side * height + (side - 1) * GAP,
      role: "img",
      "aria-label": label,
    });
    const paint = async () => {
      const context = canvas.getContext("2d");
      const parts = [];
      for (let rank = 0; rank < layer.count[position]; rank += 1) {
        const x = (rank % side) * (width + GAP);
        const y = Math.floor(rank / side) * (height + GAP);
        parts.push(...(await drawCell(context, layer, layout, position, rank, x, y, width, height)));
      }
      hatch(context, parts);
    };
    whenSeen(canvas, paint);
    return canvas;
  }

  // A cell of a sheet that belongs to no layer: a whole image, a filter.
  function plain(layout, position, label, least = 0) {
    const by = Math.max(1, Math.round(least / Math.max(...layout.cell)));
    const [height, width] = layout.cell.map((side) => side * by);
    const canvas = el("canvas", { width, height, role: "img", "aria-label": label });
    whenSeen(canvas, async () => {
      const at = place(layout, position, 0);
      const image = await sheet(at.source);
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.drawImage(image, at.left, at.top, layout.cell[1], layout.cell[0], 0, 0, width, height);
    });
    return canvas;
  }

  const paints = new WeakMap();
  const failed = (error) => zfpipe.say(error.message);
  const watch = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        watch.unobserve(target);
        paints
          .get(target)()
          .then(() => target.setAttribute("data-drawn", ""), failed);
      }
    },
    { rootMargin: "300px" },
  );

  // Draw a canvas when it comes near the window: a layer of 512 units then opens at once.
  function whenSeen(canvas, paint) {
    paints.set(canvas, paint);
    watch.observe(canvas);
  }

  return { box, entry, tile, plain };
})();
