// A unit in numbers: the classes of its strongest, their activations, the filter of a first layer.
"use strict";

zfpipe.about = (() => {
  const { el, figure, plural } = zfpipe;

  // What stands below a unit's pairs; nothing for a dead one.
  function about(layer, position, run) {
    const count = layer.count[position];
    if (!count) return null;
    const blocks = [strengths(layer, position), layer.spread && spread(layer, position)];
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
      el("h2", {}, layer.count[position] === 1 ? "Class of its one image" : `Classes of its top ${layer.count[position]}`),
      bars(sorted.map(([name, count]) => [name, count / layer.count[position], String(count)])),
      el(
        "p",
        { class: "quiet" },
        layer.selectivity[position] === null
          ? "Class selectivity is not told: fewer images than were asked for excite this unit, and of few it says little."
          : `Class selectivity ${layer.selectivity[position].toFixed(2)}: 1 is one class alone, 0 an even spread.`,
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
        `The whole width is the strongest of the layer, ${figure(most)}. Each image counts once.`,
      ),
    );
  }

  // How strongly all images excite it: a column a bin, the bins of the strongest marked.
  function spread(layer, position) {
    const { edges, counts, silent } = layer.spread;
    const columns = edges.slice(1).map((_, bin) => counts[position][bin] || 0);
    const fired = sum(columns);
    const most = Math.max(...columns);
    const count = layer.count[position];
    const last = layer.activation[position][count - 1];
    const middle = edges[columns.findIndex((_, bin) => 2 * sum(columns.slice(0, bin + 1)) >= fired)];
    const [excite, not] = [fired === 1 ? "excites" : "excite", silent[position] === 1 ? "does" : "do"];
    const all = plural(fired + silent[position], "image");
    const of = `${fired} of ${all} ${excite} it, ${silent[position]} ${not} not`;
    const words = fired > 1 ? `${of}; half of the former by more than about ${figure(middle)}.` : `${of}.`;
    return el(
      "section",
      {},
      el("h2", {}, "All images"),
      el(
        "div",
        { class: "spread", role: "img", "aria-label": `Histogram of its activations: ${words}` },
        columns.map((images, bin) =>
          el("span", {
            class: edges[bin + 1] > last ? "kept" : null,
            style: `height:${((100 * images) / most).toFixed(1)}%`,
            title: `${figure(edges[bin])} to ${figure(edges[bin + 1])}: ${images}`,
          }),
        ),
      ),
      el(
        "div",
        { class: "ends quiet", "aria-hidden": "true" },
        [edges[0], edges[edges.length >> 1], edges[edges.length - 1]].map((edge) => el("span", {}, figure(edge))),
      ),
      el(
        "p",
        { class: "quiet" },
        `${words} The axis is logarithmic: eight columns double the activation; the highest is ${plural(most, "image")}; ` +
          (count === 1 ? "the strongest stands in the blue one." : `the strongest ${count} stand in the blue ones.`),
      ),
    );
  }

  const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);

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
