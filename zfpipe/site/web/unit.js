// A unit: its strongest activations large, projection beside patch or over it, each in its whole image.
"use strict";

zfpipe.views.unit = (() => {
  const { el, address, segments, figure, plural } = zfpipe;
  const { ordered, handed, similarities, SORTS } = zfpipe.order;
  let mode = "beside"; // or "over": stays from unit to unit
  let mix = 60; // percent of the projection over the patch

  async function view({ name, number, asked }) {
    const run = zfpipe.site().runs[0];
    const summary = run.layers.find((layer) => layer.name === name);
    if (!summary)
      throw new Error(`There is no layer ${name}; this run has ${run.layers.map((layer) => layer.name).join(", ")}.`);
    const [layer, images] = await Promise.all([zfpipe.load(`layer-${summary.stem}`), zfpipe.load("images")]);
    const position = layer.unit.indexOf(Number(number));
    if (position < 0 || String(layer.unit[position]) !== number) throw new Error(`${name} has no unit ${number} here.`);
    zfpipe.views.layer.leave(name, number);
    const walk = way(layer, position, asked, run);
    const pairs = pairsOf(layer, position, run, images);
    const body = el(
      "div",
      { class: "view unit" },
      head(layer, position, asked, walk),
      layer.count[position]
        ? bar(pairs)
        : el("p", { class: "note" }, "This unit is dead: none of the images excites it."),
      pairs,
      zfpipe.about(layer, position, run),
      await zfpipe.epochs(summary, Number(number), run),
      await beside(name, Number(number)),
      alike(layer, position, run, asked),
    );
    set(body, mode, mix);
    const step = (to) => () => {
      if (to !== null) location.hash = address(["layer", name, "unit", to], handed(asked));
    };
    const keys = {
      ArrowLeft: step(walk.before),
      ArrowRight: step(walk.after),
      u: () => {
        location.hash = up(name, asked);
      },
      p: () => set(body, mode === "over" ? "beside" : "over", mix),
    };
    return { title: `unit ${number} of ${name}`, body, keys };
  }

  const up = (name, asked) => address(["layer", name], handed(asked));

  // The units before and after this one, in the order that the layer's page has; by number if this one is not in it.
  function way(layer, position, asked, run) {
    let order = ordered(layer, asked, run.classes);
    const inside = order.includes(position);
    if (!inside) order = ordered(layer, {}, run.classes);
    const at = order.indexOf(position);
    const unit = (index) => (order[index] === undefined ? null : layer.unit[order[index]]);
    const by = inside && asked.sort ? `, by ${SORTS[asked.sort] || "number"}` : "";
    return {
      before: unit(at - 1),
      after: unit(at + 1),
      words: `${at + 1} of ${order.length}${inside && asked.class ? ` mostly ${asked.class}` : ""}${by}`,
    };
  }

  function head(layer, position, asked, walk) {
    const link = (to, words, label) =>
      el(
        "a",
        {
          class: "button",
          href: to === null ? null : address(["layer", layer.name, "unit", to], handed(asked)),
          "aria-disabled": to === null ? "true" : null,
          role: to === null ? "link" : null,
          "aria-label": label,
        },
        words,
      );
    return el(
      "div",
      { class: "unit-head" },
      el(
        "div",
        {},
        el("p", { class: "crumb" }, el("a", { href: up(layer.name, asked) }, layer.name)),
        el("h1", { tabindex: -1 }, `Unit ${layer.unit[position]}`),
      ),
      el(
        "nav",
        { class: "walk", "aria-label": "Units" },
        link(walk.before, "← previous", "previous unit"),
        el("span", { class: "quiet" }, walk.words),
        link(walk.after, "next →", "next unit"),
      ),
    );
  }

  function bar(pairs) {
    const slider = el("input", {
      type: "range",
      min: 0,
      max: 100,
      value: mix,
      id: "mix",
      "data-key": "mix",
      input: (event) => set(pairs.closest(".view"), mode, Number(event.target.value)),
    });
    return el(
      "div",
      { class: "bar" },
      segments("Pictures", { beside: "Side by side", over: "Overlay" }, mode, (value) =>
        set(pairs.closest(".view"), value, mix),
      ),
      el("label", { class: "choice slide" }, el("span", {}, "patch"), slider, el("span", {}, "projection")),
    );
  }

  function set(body, how, percent) {
    [mode, mix] = [how, percent];
    body.classList.toggle("over", how === "over");
    body.style.setProperty("--mix", percent / 100);
    for (const button of body.querySelectorAll(".bar .segments button")) {
      button.setAttribute("aria-pressed", String(button.dataset.key.endsWith(how)));
    }
    const slider = body.querySelector("#mix");
    if (slider) slider.setAttribute("aria-label", "share of the projection in the overlay, in percent");
  }

  function pairsOf(layer, position, run, images) {
    const ranks = Array.from({ length: layer.count[position] }, (_, rank) => rank);
    return el(
      "ol",
      { class: "pairs" },
      ranks.map((rank) => pair(layer, position, rank, run, images)),
    );
  }

  function pair(layer, position, rank, run, images) {
    const label = layer.label[position][rank];
    const index = layer.image_index[position][rank];
    const place = images ? images.index.indexOf(index) : -1;
    const of = label >= 0 ? ` of class ${run.classes[label]}` : "";
    const picture = (kind) =>
      zfpipe.pictures.entry(
        layer,
        position,
        rank,
        kind,
        `${kind === "patch" ? "Image patch" : "Projection"} ${rank + 1}${of}`,
      );
    return el(
      "li",
      {},
      el(
        "div",
        { class: "both" },
        el("div", { class: "back" }, picture("projection")),
        el("div", {}, picture("patch")),
      ),
      el(
        "div",
        { class: "words" },
        place >= 0 && whole(layer, position, rank, images, place),
        el(
          "div",
          {},
          el("b", {}, figure(layer.activation[position][rank])),
          label >= 0 && el("span", { class: "class" }, run.classes[label]),
          place >= 0 && el("span", { class: "file" }, images.path[place]),
        ),
      ),
    );
  }

  // The whole image, with the place of the patch.
  function whole(layer, position, rank, images, place) {
    const canvas = zfpipe.pictures.plain(images.sheets, place, `Image ${images.path[place]}`);
    return el(
      "a",
      { class: "whole", href: address(["image", images.index[place]]) },
      canvas,
      frame(zfpipe.pictures.box(layer, position, rank), images.size),
    );
  }

  function frame([top, left, bottom, right], [high, wide]) {
    const within = (value, most) => (100 * Math.min(Math.max(value, 0), most)) / most;
    const [t, l, b, r] = [within(top, high), within(left, wide), within(bottom, high), within(right, wide)];
    return el("span", { class: "frame", style: `top:${t}%;left:${l}%;width:${r - l}%;height:${b - t}%` });
  }

  // The unit of the same number of the run that is set beside this one.
  async function beside(name, number) {
    const other = zfpipe.site().runs[1];
    const summary = other && other.layers.find((layer) => layer.name === name);
    if (!summary) return null;
    const layer = await zfpipe.load(`layer-${summary.stem}`);
    const position = layer.unit.indexOf(number);
    if (position < 0) return null;
    const images = other.same_images ? await zfpipe.load("images") : null;
    return el(
      "section",
      { class: "other" },
      el("h2", {}, `The same unit of ${other.name}`),
      layer.count[position] ? pairsOf(layer, position, other, images) : el("p", { class: "note" }, "It is dead there."),
    );
  }

  function alike(layer, position, run, asked) {
    if (!layer.count[position]) return null;
    const values = similarities(layer, position);
    const nearest = layer.unit
      .map((_, other) => other)
      .filter((other) => other !== position && layer.count[other])
      .sort((a, b) => values[b] - values[a] || a - b)
      .slice(0, 8);
    if (!nearest.length) return null;
    const tiles = nearest.map((other) =>
      el(
        "li",
        {},
        el(
          "a",
          { href: address(["layer", layer.name, "unit", layer.unit[other]]) },
          zfpipe.pictures.tile(layer, other, "projection", `Strongest projections of unit ${layer.unit[other]}.`),
          zfpipe.views.layer.caption(layer, run, other, values),
        ),
      ),
    );
    return el(
      "section",
      {},
      el("h2", {}, "Units that look alike"),
      el("ul", { class: "wall small" }, tiles),
      el(
        "p",
        { class: "quiet" },
        "By the cosine between their mean projections. ",
        el(
          "a",
          { href: address(["layer", layer.name], { sort: "similar", to: layer.unit[position] }) },
          `All ${plural(layer.unit.length, "unit")} in this order`,
        ),
        ".",
      ),
    );
  }

  return { view, frame };
})();
