// A layer: every unit as a tile, sorted and filtered.
"use strict";

zfpipe.views.layer = (() => {
  const { el, address, segments, select, figure, plural } = zfpipe;
  const { SORTS, LIFE, mostly, ordered, handed, sensible, similarities } = zfpipe.order;
  let left = null; // the unit that was looked at last: coming back, its tile has the focus

  async function view({ name, asked: wished }) {
    const run = zfpipe.site().runs[0];
    const summary = run.layers.find((layer) => layer.name === name);
    if (!summary)
      throw new Error(`There is no layer ${name}; this run has ${run.layers.map((layer) => layer.name).join(", ")}.`);
    const layer = await zfpipe.load(`layer-${summary.stem}`);
    const asked = sensible(layer, wished, run.classes);
    const show = asked.show === "patch" ? "patch" : "projection";
    const go = (change) => location.replace(address(["layer", name], { ...asked, ...change }));
    const positions = ordered(layer, asked, run.classes);
    const found = el(
      "div",
      { class: "view layer" },
      el("h1", { tabindex: -1 }, name),
      facts(layer, summary),
      bar(layer, run, asked, show, positions, go),
      wall(layer, run, asked, show, positions),
    );
    return {
      title: name,
      body: found,
      keys: keys(found, show, go),
      after: () => comeBack(found, name),
      said: plural(positions.length, "unit"),
    };
  }

  function facts(layer, summary) {
    const by = (pair) => pair.join(" × ");
    const words = [
      plural(layer.channels, "unit"),
      layer.dead ? `${layer.dead} dead` : "none dead",
      `each sees ${layer.sees}`,
      `map ${by(layer.map_size)}`,
      `a step is ${by(layer.jump)} px`,
    ];
    if (summary.units < layer.channels) words.splice(1, 0, `${summary.units} of them reconstructed`);
    const followed = summary.followed.flatMap((unit, place) => [
      place ? ", " : " · through the epochs: ",
      el("a", { href: address(["layer", summary.name, "unit", unit]) }, String(unit)),
    ]);
    return el("p", { class: "quiet facts" }, words.join(" · "), followed);
  }

  function bar(layer, run, asked, show, positions, go) {
    const labelled = run.classes.length > 0;
    const sorts = Object.entries(SORTS).filter(([sort]) => labelled || !["class", "selectivity"].includes(sort));
    const present = [...new Set(layer.unit.map((_, position) => mostly(layer, position).label))].filter(
      (label) => label >= 0,
    );
    const classes = present.map((label) => run.classes[label]).sort();
    const first = layer.unit[positions.find((position) => layer.count[position]) ?? 0];
    const sort = (value) =>
      go({ sort: value === "number" ? "" : value, to: value === "similar" ? asked.to || first : "" });
    return el(
      "form",
      { class: "bar", submit: (event) => find(event, layer, asked) },
      segments("Pictures", { projection: "Projections", patch: "Patches" }, show, (value) =>
        go({ show: value === "patch" ? value : "" }),
      ),
      select("Sort by", sorts, asked.sort || "number", sort),
      asked.sort === "similar" && number("to unit", "to", layer, asked.to, (value) => go({ to: value })),
      labelled &&
        select("Mostly", [["", "any class"], ...classes.map((each) => [each, each])], asked.class || "", (value) =>
          go({ class: value }),
        ),
      select("Show", Object.entries(LIFE), asked.life || "", (value) => go({ life: value })),
      number("Find unit", "find", layer, "", null),
      el("span", { class: "quiet", id: "shown" }, `${positions.length} of ${plural(layer.unit.length, "unit")}`),
    );
  }

  function number(label, id, layer, value, change) {
    const input = el("input", {
      type: "number",
      id,
      "data-key": id,
      min: 0,
      max: layer.channels - 1,
      value: value ?? "",
      inputmode: "numeric",
      change: (event) => change && change(event.target.value),
    });
    return el("label", { class: "choice" }, el("span", {}, label), input);
  }

  function find(event, layer, asked) {
    event.preventDefault();
    const input = event.target.querySelector("#find");
    if (document.activeElement !== input || input.value === "") return;
    const known = layer.unit.includes(Number(input.value));
    input.setCustomValidity(known ? "" : `${layer.name} has no unit ${input.value} here.`);
    input.addEventListener("input", () => input.setCustomValidity(""), { once: true });
    if (known) location.hash = address(["layer", layer.name, "unit", Number(input.value)], handed(asked));
    else input.reportValidity();
  }

  function wall(layer, run, asked, show, positions) {
    if (!positions.length)
      return el("p", { class: "note" }, "No unit is like that. Choose another class, or show all units.");
    const to = layer.unit.indexOf(Number(asked.to));
    const values =
      asked.sort === "similar" && to >= 0
        ? similarities(layer, to)
        : asked.sort === "selectivity"
          ? layer.selectivity
          : null;
    return el(
      "ul",
      { class: "wall" },
      positions.map((position) => {
        const unit = layer.unit[position];
        return el(
          "li",
          {},
          el(
            "a",
            { href: address(["layer", layer.name, "unit", unit], handed(asked)), "data-unit": unit },
            picture(layer, position, show),
            caption(layer, run, position, values),
          ),
        );
      }),
    );
  }

  function picture(layer, position, show) {
    if (!layer.count[position]) return el("span", { class: "dead" }, "dead");
    const what = show === "patch" ? "image patches" : "projections";
    return zfpipe.pictures.tile(layer, position, show, `Strongest ${what} of unit ${layer.unit[position]}.`);
  }

  // Number and class; at the right what the tiles are sorted by, or the strongest activation.
  function caption(layer, run, position, values) {
    const most = mostly(layer, position);
    const right = !layer.count[position]
      ? ""
      : values
        ? (values[position]?.toFixed(2) ?? plural(layer.count[position], "image"))
        : figure(layer.activation[position][0]);
    return el(
      "span",
      { class: "caption" },
      el("b", {}, String(layer.unit[position])),
      el("span", { class: "n" }, right),
      most.label >= 0 &&
        el(
          "span",
          { class: "class", title: run.classes[most.label] },
          `${most.count}/${layer.count[position]} ${run.classes[most.label]}`,
        ),
    );
  }

  function keys(found, show, go) {
    const tiles = () => [...found.querySelectorAll(".wall a")];
    const step = (by) => () => {
      const all = tiles();
      const at = all.indexOf(document.activeElement);
      const next = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by(all)))];
      if (next) next.focus();
    };
    const across = (all) =>
      all.filter(
        (tile) =>
          tile.offsetTop === all[0].offsetTop && tile.closest("li").offsetTop === all[0].closest("li").offsetTop,
      ).length || 1;
    return {
      ArrowRight: step(() => 1),
      ArrowLeft: step(() => -1),
      ArrowDown: step(across),
      ArrowUp: step((all) => -across(all)),
      p: () => go({ show: show === "patch" ? "" : "patch" }),
      u: () => {
        location.hash = "#/";
      },
    };
  }

  function comeBack(found, name) {
    const tile = left && left.layer === name && found.querySelector(`a[data-unit="${left.unit}"]`);
    left = null;
    if (tile) tile.focus({ preventScroll: true });
    if (tile) tile.scrollIntoView({ block: "center" });
    return Boolean(tile);
  }

  function leave(layer, unit) {
    left = { layer, unit };
  }

  return { view, picture, caption, leave };
})();
