// A unit in numbers: the classes of its strongest, their activations, the filter of a first layer.
"use strict";

zfpipe.about = (() => {
  const { el, figure } = zfpipe;

  // What stands below a unit's pairs; nothing for a dead one.
  function about(layer, position, run) {
    const count = layer.count[position];
    if (!count) return null;
    const blocks = [strengths(layer, position)];
    if (run.classes.length) blocks.unshift(classesOf(layer, position, run));
    if (layer.filters) {
      blocks.push(
        el(
          "section",
          {},
          el("h2", {}, "Its filter"),
          el("div", { class: "filter" }, zfpipe.pictures.plain(layer.filters, position, "The unit's own filter", 140)),
          el("p", { class: "quiet" }, "The weights themselves; zero is mid-grey."),
        ),
      );
    }
    return el("div", { class: "about" }, blocks);
  }

  function classesOf(layer, position, run) {
    const counts = new Map();
    for (const label of layer.label[position].slice(0, layer.count[position])) {
      const name = label >= 0 ? run.classes[label] : "no class";
      counts.set(name, (counts.get(name) || 0) + 1);
    }
    const sorted = [...counts].sort((a, b) => b[1] - a[1]);
    return el(
      "section",
      {},
      el("h2", {}, `Classes of its top ${layer.count[position]}`),
      bars(sorted.map(([name, count]) => [name, count / layer.count[position], String(count)])),
      el(
        "p",
        { class: "quiet" },
        `Class selectivity ${layer.selectivity[position].toFixed(2)}: 1 is one class alone, 0 an even spread.`,
      ),
    );
  }

  function strengths(layer, position) {
    const values = layer.activation[position].slice(0, layer.count[position]);
    const most = Math.max(...layer.activation.map((each) => each[0] || 0));
    return el(
      "section",
      {},
      el("h2", {}, "Its activations"),
      bars(values.map((value, rank) => [String(rank + 1), value / most, figure(value)])),
      el(
        "p",
        { class: "quiet" },
        `The whole width is the strongest of the layer, ${figure(most)}. Mining keeps ${layer.k} of each unit, no more.`,
      ),
    );
  }

  function bars(rows) {
    return el(
      "table",
      { class: "bars" },
      rows.map(([name, part, value]) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, name),
          el("td", { class: "track" }, el("span", { style: `width:${(100 * part).toFixed(1)}%` })),
          el("td", { class: "n" }, value),
        ),
      ),
    );
  }

  return about;
})();
