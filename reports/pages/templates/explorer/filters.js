// Making elements; the controls; the table of A against B, whose cells are filters too.

// ---- making elements

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// A text of the run, with every character that a reader would not see written as an escape.
function shown(text, lines = false) {
  const pieces = text.split(/([\p{C}\p{Zl}\p{Zp}]+|\p{M}{5,})/u);
  const parts = pieces.flatMap((piece, index) => {
    if (index % 2 === 0) return [piece];
    if (/^\p{M}/u.test(piece)) {
      const marks = [...piece];
      return [marks.slice(0, MOST_MARKS).join(""), escape(`+${marks.length - MOST_MARKS} marks`)];
    }
    return [...piece].map((character) => (character === "\n" && lines ? character : escape(code(character))));
  });
  return make("bdi", {}, ...parts);
}

const escape = (text) => make("span", { class: "escape" }, text);

function code(character) {
  const point = character.codePointAt(0);
  const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
  return short ?? (point < 256 ? `\\x${hex(point, 2)}` : point < 65536 ? `\\u${hex(point, 4)}` : `\\U${hex(point, 8)}`);
}

const hex = (number, digits) => number.toString(16).padStart(digits, "0");
const count = (number) => number.toLocaleString("en");
const several = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
const says = (letter) => make("span", { class: `says ${SAYS[letter].split(" ")[0]}` }, `${SIGNS[letter]} ${SAYS[letter]}`);

// ---- the controls: made once, so that a reader who types keeps the cursor

const controls = {};

function choice(key, label, options) {
  const select = make("select", { "aria-label": label, change: () => go({ [key]: select.value }) });
  for (const [value, text] of options) select.append(make("option", { value }, text));
  controls[key] = select;
  return make("label", {}, label, select);
}

function outcome(side, label) {
  const options = [["*", "anything"], ...["c", "w", "u"].map((letter) => [letter, SAYS[letter]])];
  const select = make("select", { "aria-label": label, change: () => go({ cell: cellWith(side, select.value) }) });
  for (const [value, text] of options) select.append(make("option", { value }, text));
  controls[`says${side}`] = select;
  return make("label", {}, label, select);
}

function cellWith(side, letter) {
  const pair = /^..$/.test(state.cell) ? [...state.cell] : ["*", "*"];
  pair[side] = letter;
  return pair.join("") === "**" ? "all" : pair.join("");
}

function panel() {
  const named = (values, first) => [...(first ? [["any", first]] : []), ...values.map((value) => [value, value])];
  const gold = NAMES.map((name) => [name, name === data.run.gold ? `${name} (gold)` : name]);
  controls.differ = make("input", { type: "checkbox", change: () => go({ cell: controls.differ.checked ? "differ" : "all" }) });
  controls.q = make("input", {
    type: "search", "aria-label": "Search", placeholder: "question, response, answer, reason", input: () => go({ q: controls.q.value }, true),
  });
  return make("div", { class: "filters", role: "search" },
    choice("a", "Verifier A", gold), outcome(0, "A says"), choice("b", "Verifier B", gold), outcome(1, "B says"),
    make("label", { class: "check" }, controls.differ, "only where they differ"),
    choice("arm", "Arm", named(arms, "all arms")), choice("checkpoint", "Checkpoint", named(checkpoints, "all")),
    choice("split", "Split", named(splits, "all")), make("label", { class: "wide" }, "Search ( / )", controls.q),
    make("span", { class: "buttons" },
      make("button", { type: "button", click: () => go({ ...DEFAULT, sample: state.sample }) }, "Reset"),
      make("button", { type: "button", click: () => help.showModal(), "aria-label": "Keys" }, "?")));
}

function drawControls() {
  for (const key of Object.keys(CHOICES)) controls[key].value = state[key];
  if (document.activeElement !== controls.q) controls.q.value = state.q;
  controls.differ.checked = state.cell === "differ";
  const pair = /^..$/.test(state.cell) ? state.cell : "**";
  controls.says0.value = pair[0];
  controls.says1.value = pair[1];
}

// ---- A against B

function drawCross() {
  const tally = new Map();
  const add = (letters, key, number) => {
    const cell = letters[A()] + letters[B()];
    tally.set(cell, { carried: 0, all: 0, ...tally.get(cell) });
    tally.get(cell)[key] += number;
  };
  for (const sample of found.around) add(sample.letters, "carried", 1);
  for (const [place, pattern, number] of data.counts) {
    if (inPlace(...data.places[place])) add(data.patterns[pattern], "all", number);
  }
  const letters = (side) => [..."cwu-"].filter((l) => l !== "-" || [...tally.keys()].some((cell) => cell[side] === l));
  const [rows, columns] = [letters(0), letters(1)];
  const sums = { carried: 0, all: 0 };
  for (const { carried, all } of tally.values()) [sums.carried, sums.all] = [sums.carried + carried, sums.all + all];
  const head = make("tr", {}, make("td"), ...columns.map((l) => make("th", { scope: "col" }, pick(`*${l}`, says(l)))));
  const body = rows.map((a) => make("tr", {},
    make("th", { scope: "row" }, pick(`${a}*`, says(a))),
    ...columns.map((b) => crossCell(a, b, tally.get(a + b) ?? { carried: 0, all: 0 }))));
  const focused = document.activeElement?.dataset?.cell;
  cross.replaceChildren(
    make("table", { class: "cross" },
      make("caption", {}, make("b", {}, "A ", shown(state.a)), " down, ", make("b", {}, "B ", shown(state.b)), " across"),
      make("thead", {}, head), make("tbody", {}, ...body)),
    make("p", { class: "note" }, state.q
      ? `${several(sums.carried, "sample")} on this page with the searched text.`
      : `Large: samples on this page (${count(sums.carried)}). Small: in the whole run (${count(sums.all)}), the same `
        + "filters applied. A cell or a head shows what stands behind it."));
  if (focused) cross.querySelector(`[data-cell="${focused}"]`)?.focus();
}

function pick(cell, ...children) {
  const pressed = state.cell === cell;
  return make("button", {
    type: "button", "data-cell": cell, "aria-pressed": String(pressed), click: () => go({ cell: pressed ? "all" : cell }),
  }, ...children);
}

function crossCell(a, b, { carried, all }) {
  const button = pick(a + b, make("b", {}, count(carried)), state.q || !all ? null : make("small", {}, `of ${count(all)}`));
  button.disabled = carried === 0;
  button.setAttribute("aria-label", `A ${SAYS[a]}, B ${SAYS[b]}: ${carried} on this page, ${all} in the run`);
  const kind = a === "-" || b === "-" ? "" : a === b ? "same" : "apart";
  return make("td", { class: kind }, button);
}
