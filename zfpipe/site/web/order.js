// Which units of a layer are shown, and in which order: the same for the wall of tiles and for previous and next.
"use strict";

zfpipe.order = (() => {
  const SORTS = {
    number: "number",
    activation: "strongest activation",
    selectivity: "class selectivity",
    class: "class",
    similar: "similarity to a unit",
  };
  const LIFE = { "": "all units", alive: "alive", dead: "dead" };

  // The class that most of a unit's entries are of (the first of equals, as ranked), or -1.
  function mostly(layer, position) {
    const counts = new Map();
    for (const label of layer.label[position].slice(0, layer.count[position])) {
      if (label >= 0) counts.set(label, (counts.get(label) || 0) + 1);
    }
    let [best, most] = [-1, 0];
    for (const [label, count] of counts) if (count > most) [best, most] = [label, count];
    return { label: best, count: most };
  }

  function looks(layer) {
    if (!layer.looks) {
      const bytes = Uint8Array.from(atob(layer.look), (char) => char.charCodeAt(0));
      layer.looks = new Int8Array(bytes.buffer);
    }
    return layer.looks;
  }

  // Cosines between the mean projection of a unit and those of all units.
  function similarities(layer, position) {
    const all = looks(layer);
    const length = all.length / layer.unit.length;
    const norm = (at) => Math.hypot(...all.subarray(at * length, (at + 1) * length)) || 1;
    const own = norm(position);
    return layer.unit.map((_, other) => {
      let sum = 0;
      for (let at = 0; at < length; at += 1) sum += all[position * length + at] * all[other * length + at];
      return sum / (own * norm(other));
    });
  }

  // Positions of the units that `asked` lets through, in its order. Equal ones stay in the order of their numbers.
  function ordered(layer, asked, classes) {
    const positions = layer.unit
      .map((_, position) => position)
      .filter((position) => passes(layer, position, asked, classes));
    const by = (value) => positions.sort((a, b) => value(b) - value(a) || layer.unit[a] - layer.unit[b]);
    const strongest = (position) => layer.activation[position][0] || 0;
    if (asked.sort === "activation") return by(strongest);
    if (asked.sort === "selectivity")
      return by((position) => layer.selectivity[position] ?? layer.count[position] / layer.k - 2); // fewer images: below
    if (asked.sort === "class") return byClass(layer, positions, strongest);
    if (asked.sort === "similar") {
      const to = layer.unit.indexOf(Number(asked.to));
      if (to < 0) return by((position) => -layer.unit[position]);
      const alike = similarities(layer, to);
      return by((position) => (position === to ? 2 : layer.count[position] ? alike[position] : -2)); // the dead last
    }
    return by((position) => -layer.unit[position]);
  }

  function byClass(layer, positions, strongest) {
    const label = new Map(positions.map((position) => [position, mostly(layer, position).label]));
    const last = (position) => (label.get(position) < 0 ? Infinity : label.get(position));
    return positions.sort((a, b) => (last(a) === last(b) ? strongest(b) - strongest(a) : last(a) - last(b)) || a - b);
  }

  function passes(layer, position, asked, classes) {
    if (asked.life === "alive" && !layer.count[position]) return false;
    if (asked.life === "dead" && layer.count[position]) return false;
    return !asked.class || classes[mostly(layer, position).label] === asked.class;
  }

  // What is asked, without what this layer does not have: an order, a class or a unit of another run's address.
  function sensible(layer, asked, classes) {
    const kept = { ...asked };
    if (kept.class && !classes.includes(kept.class)) delete kept.class;
    if (!(kept.sort in SORTS) || (kept.sort === "similar" && !layer.unit.includes(Number(kept.to)))) delete kept.sort;
    return kept;
  }

  // What of an address decides the order, to be handed on from view to view.
  function handed(asked) {
    return Object.fromEntries(
      ["sort", "to", "class", "life", "show"].filter((key) => asked[key]).map((key) => [key, asked[key]]),
    );
  }

  return { SORTS, LIFE, mostly, similarities, ordered, handed, sensible };
})();
