// What every view uses: data that come as scripts, elements whose text is never markup, links between views.
"use strict";

const zfpipe = (() => {
  const values = new Map();
  const loading = new Map();

  // Called by the data scripts.
  function put(name, value) {
    values.set(name, value);
  }

  // The value of data/NAME.js, loaded once. A page opened from the file system may run scripts, not read files.
  function load(name) {
    if (values.has(name)) return Promise.resolve(values.get(name));
    if (!loading.has(name)) {
      loading.set(
        name,
        new Promise((resolve, reject) => {
          const script = document.createElement("script");
          script.src = `data/${name}.js`;
          script.onload = () => resolve(values.get(name));
          script.onerror = () => reject(new Error(`data/${name}.js cannot be read; is this folder whole?`));
          document.head.append(script);
        }),
      );
    }
    return loading.get(name);
  }

  // A new element. Attributes that are functions listen; text stays text, whatever markup a name holds.
  function el(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }

  // The address of a view: parts of the path, and what is asked of it.
  function address(parts, asked = {}) {
    const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== "" && value !== null));
    const path = `#/${parts.map(encodeURIComponent).join("/")}`;
    return query.size ? `${path}?${query}` : path;
  }

  function parsed(hash) {
    const [path, query] = (hash.startsWith("#/") ? hash.slice(2) : "").split("?");
    let parts;
    try {
      parts = path.split("/").filter(Boolean).map(decodeURIComponent);
    } catch {
      parts = ["a broken address"];
    }
    return { parts, asked: Object.fromEntries(new URLSearchParams(query || "")) };
  }

  const say = (text) => {
    document.getElementById("said").textContent = text;
  };
  const site = () => values.get("site");
  // A number as people read it: three digits that count (a small one as 1.23e-7).
  const figure = (value) => (value >= 1000 ? value.toFixed(0) : value.toPrecision(3));
  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

  // A choice of a few, as buttons of which one is pressed.
  function segments(label, choices, chosen, choose) {
    const group = el("div", { class: "segments", role: "group", "aria-label": label });
    for (const [value, words] of Object.entries(choices)) {
      group.append(
        el(
          "button",
          {
            type: "button",
            "aria-pressed": String(value === chosen),
            "data-key": `${label} ${value}`,
            click: () => choose(value),
          },
          words,
        ),
      );
    }
    return group;
  }

  function select(label, choices, chosen, choose) {
    const list = el(
      "select",
      { "data-key": label, change: (event) => choose(event.target.value) },
      choices.map(([value, words]) => el("option", { value, selected: value === chosen }, words)),
    );
    return el("label", { class: "choice" }, el("span", {}, label), list);
  }

  return { put, load, el, address, parsed, say, site, figure, plural, segments, select, views: {} };
})();
