// A unit through training: at each epoch its strongest activation over the training images, and where the image changed.
"use strict";

zfpipe.epochs = (() => {
  const { el, figure, plural } = zfpipe;

  // A section for a unit that was followed; nothing for the others.
  async function epochs(summary, number, run) {
    if (!summary.followed.includes(number)) return null;
    const found = await zfpipe.load(`epochs-${summary.stem}`);
    const position = found.unit.indexOf(number);
    return el(
      "section",
      { class: "through" },
      el("h2", {}, "Through the epochs"),
      el(
        "ol",
        { class: "epochs" },
        found.epochs.map((epoch, place) => step(found, position, place, epoch, run)),
      ),
      el(
        "p",
        { class: "quiet" },
        `At each epoch, with the weights of then: the strongest of ${plural(found.images, "training image")}. `,
        "A coloured edge marks where it is another image than before.",
      ),
    );
  }

  function step(found, position, place, epoch, run) {
    const label = found.label[position][place];
    const name = label >= 0 ? run.classes[label] : null;
    const activation = found.activation[position][place];
    const changed = found.changed[position][place];
    const of = `at epoch ${epoch}${name === null ? "" : ` of class ${name}`}`;
    const picture = (kind, words) => zfpipe.pictures.entry(found, position, place, kind, `${words} ${of}`);
    return el(
      "li",
      { class: changed ? "jump" : null },
      el("h3", {}, `epoch ${epoch}`),
      activation > 0
        ? [picture("projection", "Projection"), picture("patch", "Image patch")]
        : el("p", { class: "dead" }, "silent"),
      activation > 0 && el("b", {}, figure(activation)),
      activation > 0 && name !== null && el("span", { class: "class" }, name),
      changed && el("span", { class: "mark-jump" }, "another image"),
    );
  }

  return epochs;
})();
