// From an address to a view: shows it, moves the focus, hears the keys.
"use strict";

(() => {
  const overview = document.getElementById("overview");
  const dynamic = document.getElementById("dynamic");
  const help = document.getElementById("help");
  const heading = overview.querySelector("h1");
  const name = document.title;
  let keys = {};
  let shown = null; // the path that is shown
  let latest = 0; // a view that was slower than the next one is not shown

  function route({ parts, asked }) {
    const [first, ...rest] = parts;
    if (!first) return null;
    if (first === "layer" && rest.length === 1) return ["layer", { name: rest[0], asked }];
    if (first === "layer" && rest.length === 3 && rest[1] === "unit")
      return ["unit", { name: rest[0], number: rest[2], asked }];
    if (first === "image" && rest.length === 1) return ["image", { number: rest[0], asked }];
    if ((first === "images" || first === "compare") && !rest.length) return [first, { asked }];
    return ["nowhere", {}];
  }

  zfpipe.views.nowhere = {
    view: async () => {
      throw new Error("There is no such view.");
    },
  };

  async function show() {
    const here = zfpipe.parsed(location.hash);
    const [view, facts] = route(here) || [];
    const turn = (latest += 1);
    let made = { title: "", body: null, keys: {} };
    if (view) {
      try {
        made = await zfpipe.views[view].view(facts);
      } catch (error) {
        made = {
          title: "not found",
          keys: {},
          body: zfpipe.el(
            "div",
            { class: "view" },
            zfpipe.el("h1", { tabindex: -1 }, "Not here"),
            zfpipe.el("p", { class: "note", role: "alert" }, error.message),
            zfpipe.el("p", {}, zfpipe.el("a", { href: "#/" }, "To the overview")),
          ),
        };
      }
    }
    if (turn !== latest) return;
    const path = here.parts.join("/");
    const control = path === shown && document.activeElement.dataset.key;
    put(made, view);
    if (control) focusOn(dynamic.querySelector(`[data-key="${CSS.escape(control)}"]`));
    else if (!(made.after && made.after()) && shown !== null) arrive(made.body ? dynamic.querySelector("h1") : heading);
    shown = path;
    zfpipe.say(made.said || "");
  }

  function put(made, view) {
    overview.hidden = Boolean(view);
    dynamic.hidden = !view;
    dynamic.replaceChildren(...(made.body ? [made.body] : []));
    document.title = made.title ? `${made.title} · ${name}` : name;
    keys = made.keys;
    const here = location.hash.split("?")[0] || "#/";
    for (const tab of document.querySelectorAll("#tabs a")) {
      const to = tab.getAttribute("href");
      const current =
        to === "#/" ? !view : here === to || here.startsWith(`${to}/`) || (to === "#/images" && view === "image");
      if (current) tab.setAttribute("aria-current", here === to ? "page" : "true");
      else tab.removeAttribute("aria-current");
      if (current) inSight(tab);
    }
  }

  function inSight(tab) {
    const nav = tab.closest("nav");
    nav.scrollLeft = tab.offsetLeft - nav.offsetLeft - (nav.clientWidth - tab.clientWidth) / 2;
  }

  function arrive(target) {
    window.scrollTo(0, 0);
    focusOn(target);
  }

  function focusOn(target) {
    if (target) target.focus({ preventScroll: true });
  }

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, dialog[open]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const find = document.getElementById("find");
    const act = { "?": () => help.showModal(), "/": find && (() => find.focus()), ...keys }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  document.getElementById("help-button").addEventListener("click", () => help.showModal());
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("view").focus();
  });
  heading.setAttribute("tabindex", "-1");
  window.addEventListener("hashchange", show);
  show();
})();
