// All images that some unit has among its strongest; and one of them: which units, and where in it.
"use strict";

zfpipe.views.images = (() => {
  const { el, address, select, plural } = zfpipe;

  async function view({ asked }) {
    const [images, run] = [await zfpipe.load("images"), zfpipe.site().runs[0]];
    const go = (change) => location.replace(address(["images"], { ...asked, ...change }));
    const names = [...new Set(images.label)]
      .map((label) => run.classes[label])
      .filter(Boolean)
      .sort();
    const places = images.index
      .map((_, place) => place)
      .filter((place) => !asked.class || run.classes[images.label[place]] === asked.class)
      .sort((a, b) => images.entries[b].length - images.entries[a].length || a - b);
    return {
      title: "Images",
      said: plural(places.length, "image"),
      keys: {
        u: () => {
          location.hash = "#/";
        },
      },
      body: el(
        "div",
        { class: "view" },
        el("h1", { tabindex: -1 }, "Images"),
        el(
          "p",
          { class: "quiet" },
          `${images.index.length} of the ${run.images} images that were looked at are among the strongest of some unit. ` +
            "Those of most units come first.",
        ),
        el(
          "div",
          { class: "bar" },
          names.length > 1 &&
            select("Class", [["", "any class"], ...names.map((each) => [each, each])], asked.class || "", (value) =>
              go({ class: value }),
            ),
        ),
        el(
          "ul",
          { class: "wall" },
          places.map((place) => tile(images, run, place)),
        ),
      ),
    };
  }

  function tile(images, run, place) {
    return el(
      "li",
      {},
      el(
        "a",
        { href: address(["image", images.index[place]]) },
        zfpipe.pictures.plain(images.sheets, place, `Image ${images.path[place]}`),
        el(
          "span",
          { class: "caption" },
          el("b", {}, plural(images.entries[place].length, "place")),
          el("span", { class: "class" }, run.classes[images.label[place]] || images.path[place]),
        ),
      ),
    );
  }

  return { view };
})();

zfpipe.views.image = (() => {
  const { el, address, select, figure, plural } = zfpipe;

  async function view({ number, asked }) {
    const run = zfpipe.site().runs[0];
    const images = await zfpipe.load("images");
    const place = images.index.indexOf(Number(number));
    if (place < 0) {
      const known = /^\d+$/.test(number) && Number(number) < run.images;
      throw new Error(
        known
          ? `Image ${number} is among the strongest of no unit.`
          : `There is no image ${number}; the images are 0 to ${run.images - 1}.`,
      );
    }
    const layers = await Promise.all(run.layers.map((layer) => zfpipe.load(`layer-${layer.stem}`)));
    const entries = images.entries[place]
      .map(([layer, position, rank]) => ({ layer: layers[layer], position, rank }))
      .filter(({ layer }) => !asked.layer || layer.name === asked.layer)
      .sort(
        (a, b) =>
          layers.indexOf(a.layer) - layers.indexOf(b.layer) ||
          a.rank - b.rank ||
          a.layer.unit[a.position] - b.layer.unit[b.position],
      );
    const step = (by) => () => {
      const next = images.index[place + by];
      if (next !== undefined) location.hash = address(["image", next], asked);
    };
    const stage = whole(images, place, entries);
    const body = el(
      "div",
      { class: "view image" },
      el("p", { class: "crumb" }, el("a", { href: "#/images" }, "Images")),
      el("h1", { tabindex: -1 }, images.path[place]),
      el("p", { class: "quiet" }, told(images, place, run)),
      el(
        "div",
        { class: "desk" },
        el(
          "div",
          { class: "hold" },
          stage,
          el(
            "p",
            { class: "quiet" },
            "Each dot is the middle of what some unit sees. Point at a unit, or tab to it, to see its projection there.",
          ),
        ),
        el("div", {}, choice(run, images, place, asked), lists(layers, entries, images, stage)),
      ),
    );
    return {
      title: images.path[place],
      body,
      said: plural(entries.length, "place"),
      keys: {
        ArrowLeft: step(-1),
        ArrowRight: step(1),
        u: () => {
          location.hash = "#/images";
        },
      },
    };
  }

  function told(images, place, run) {
    const units = new Set(images.entries[place].map(([layer, position]) => `${layer} ${position}`));
    const name = run.classes[images.label[place]];
    return `${name ? `Class ${name}. ` : ""}Among the strongest of ${plural(units.size, "unit")}.`;
  }

  function choice(run, images, place, asked) {
    const counts = run.layers.map((_, number) => images.entries[place].filter(([layer]) => layer === number).length);
    const named = run.layers
      .map((layer, number) => [layer.name, `${layer.name} (${counts[number]})`])
      .filter((_, number) => counts[number]);
    const go = (value) => location.replace(address(["image", images.index[place]], { layer: value }));
    return el("div", { class: "bar" }, select("Layer", [["", "all layers"], ...named], asked.layer || "", go));
  }

  function whole(images, place, entries) {
    const spots = new Set(
      entries.map(({ layer, position, rank }) => middle(zfpipe.pictures.box(layer, position, rank), images.size)),
    );
    return el(
      "div",
      { class: "stage" },
      zfpipe.pictures.plain(images.sheets, place, `Image ${images.path[place]}`, 320),
      [...spots].map((style) => el("span", { class: "dot", style })),
    );
  }

  function middle([top, left, bottom, right], [high, wide]) {
    const within = (value, most) => Math.min(Math.max((50 * value) / most, 1), 99).toFixed(1);
    return `top:${within(top + bottom, high)}%;left:${within(left + right, wide)}%`;
  }

  function lists(layers, entries, images, stage) {
    return layers
      .filter((layer) => entries.some((entry) => entry.layer === layer))
      .map((layer) =>
        el(
          "section",
          {},
          el("h2", {}, layer.name),
          el(
            "ul",
            { class: "wall entries" },
            entries.filter((entry) => entry.layer === layer).map((entry) => item(entry, images, stage)),
          ),
        ),
      );
  }

  function item({ layer, position, rank }, images, stage) {
    const unit = layer.unit[position];
    const [on, off] = [() => mark(stage, layer, position, rank, images), () => clear(stage)];
    return el(
      "li",
      {},
      el(
        "a",
        { href: address(["layer", layer.name, "unit", unit]), mouseenter: on, focus: on, mouseleave: off, blur: off },
        zfpipe.pictures.entry(layer, position, rank, "projection", `Projection of unit ${unit}.`),
        el(
          "span",
          { class: "caption" },
          el("b", {}, String(unit)),
          el("span", { class: "n" }, figure(layer.activation[position][rank])),
          el("span", { class: "class" }, `rank ${rank + 1} of ${layer.count[position]}`),
        ),
      ),
    );
  }

  // Lay the projection over the image, where the unit's receptive field is.
  function mark(stage, layer, position, rank, images) {
    clear(stage);
    const [top, left, bottom, right] = zfpipe.pictures.box(layer, position, rank);
    const [high, wide] = images.size;
    const over = zfpipe.pictures.entry(layer, position, rank, "projection", "");
    over.className = "over";
    over.setAttribute(
      "style",
      [
        `top:${(100 * top) / high}%`,
        `left:${(100 * left) / wide}%`,
        `width:${(100 * (right - left)) / wide}%`,
        `height:${(100 * (bottom - top)) / high}%`,
      ].join(";"),
    );
    stage.append(over, zfpipe.views.unit.frame([top, left, bottom, right], images.size));
  }

  function clear(stage) {
    for (const old of stage.querySelectorAll(".over, .frame")) old.remove();
  }

  return { view };
})();
