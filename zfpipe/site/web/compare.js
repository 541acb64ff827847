// Two runs side by side: what each reached, and a layer of each, unit by unit.
"use strict";

zfpipe.views.compare = (() => {
  const { el, address, segments, select, figure } = zfpipe;

  async function view({ asked }) {
    const runs = zfpipe.site().runs;
    if (runs.length < 2)
      throw new Error("No other run is set beside this one: name it as gallery.beside in the config.");
    const chosen = runs.map(
      (run, number) => run.layers.find((layer) => layer.name === asked[number ? "right" : "left"]) || run.layers[0],
    );
    if (!asked.right) chosen[1] = runs[1].layers.find((layer) => layer.name === chosen[0].name) || chosen[1];
    const show = asked.show === "patch" ? "patch" : "projection";
    const layers = await Promise.all(chosen.map((layer) => zfpipe.load(`layer-${layer.stem}`)));
    const go = (change) => location.replace(address(["compare"], { ...asked, ...change }));
    const body = el(
      "div",
      { class: "view compare" },
      el("h1", { tabindex: -1 }, `${runs[0].name} beside ${runs[1].name}`),
      numbers(runs),
      el(
        "div",
        { class: "bar" },
        segments("Pictures", { projection: "Projections", patch: "Patches" }, show, (value) =>
          go({ show: value === "patch" ? value : "" }),
        ),
        runs.map((run, number) =>
          select(
            run.name,
            run.layers.map((layer) => [layer.name, layer.name]),
            chosen[number].name,
            (value) => go({ [number ? "right" : "left"]: value }),
          ),
        ),
      ),
      pairs(runs, layers, show),
    );
    return {
      title: "Compare",
      body,
      keys: {
        p: () => go({ show: show === "patch" ? "" : "patch" }),
        u: () => {
          location.hash = "#/";
        },
      },
    };
  }

  // A row for each run; it may be wider than a phone, and then moves sideways by itself.
  function numbers(runs) {
    const names = [...new Set(runs.flatMap((run) => run.layers.map((layer) => layer.name)))];
    const percent = (value) => (value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);
    const dead = (run, name) => {
      const layer = run.layers.find((each) => each.name === name);
      return layer ? `${layer.dead} of ${layer.channels}` : "–";
    };
    const head = (words) => el("th", { scope: "col", class: "n" }, words);
    return el(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "The two runs in numbers" },
      el(
        "table",
        { class: "numbers-table" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("td"),
            head("validation, top-1"),
            head("images"),
            names.map((name) => head(`dead in ${name}`)),
          ),
        ),
        el(
          "tbody",
          {},
          runs.map((run) =>
            el(
              "tr",
              {},
              el("th", { scope: "row" }, run.name),
              el("td", { class: "n" }, percent(run.metrics.val_top1)),
              el("td", { class: "n" }, String(run.images)),
              names.map((name) => el("td", { class: "n" }, dead(run, name))),
            ),
          ),
        ),
      ),
    );
  }

  function pairs(runs, layers, show) {
    const units = [...new Set(layers.flatMap((layer) => layer.unit))].sort((a, b) => a - b);
    return el(
      "ol",
      { class: "couples" },
      units.map((unit) =>
        el(
          "li",
          {},
          el("h2", {}, `Unit ${unit}`),
          el(
            "div",
            {},
            layers.map((layer, number) => half(runs[number], layer, unit, show, number)),
          ),
        ),
      ),
    );
  }

  function half(run, layer, unit, show, number) {
    const position = layer.unit.indexOf(unit);
    const words = (text) => el("figcaption", { class: "quiet" }, text);
    if (position < 0) return el("figure", {}, el("span", { class: "dead" }, "no such unit"), words(run.name));
    const picture = zfpipe.views.layer.picture(layer, position, show);
    const strongest = layer.count[position] ? figure(layer.activation[position][0]) : "";
    const linked = number ? picture : el("a", { href: address(["layer", layer.name, "unit", unit]) }, picture);
    return el("figure", {}, linked, words(`${run.name} ${strongest}`));
  }

  return { view };
})();
