// Keys; and the drawing of everything, once and after every change.

// ---- keys

const KEYS = [
  ["j, k", "next, previous problem"], ["n, p", "next, previous response of the problem"],
  ["1 to 5", `mark: ${Object.values(MARKS).join(", ")}; the same key again takes it back`],
  ["/", "search"], ["Esc", "leave the search, close this"], ["?", "these keys"],
];
const help = make("dialog", { "aria-label": "Keys" }, make("h3", {}, "Keys"),
  make("dl", {}, ...KEYS.flatMap(([key, text]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)])),
  make("p", { class: "note" }, "“Save marks” writes a file that ", make("code", {}, "restem verify RUN --import FILE"),
    " takes as verdicts of human:<your name>, and that ", make("code", {}, "restem gate"), " takes as golden rows."),
  make("button", { type: "button", click: () => help.close() }, "Close"));

function step(by) {
  const at = found.rows.findIndex(({ problem }) => problem === byId.get(state.sample)?.problem);
  const next = found.rows[at < 0 ? 0 : at + by];
  if (!next) return;
  while (found.rows.indexOf(next) >= drawn) {
    drawn += PAGE;
    drawRows();
  }
  go({ sample: next.own[0].id }, true);
}

function stepResponse(by) {
  const sample = byId.get(state.sample);
  const own = sample ? inOrder(sample.problem) : [];
  const next = own[own.indexOf(sample) + by];
  if (next) go({ sample: next.id }, true);
}

const ACTS = {
  j: () => step(1), k: () => step(-1), n: () => stepResponse(1), p: () => stepResponse(-1),
  "/": () => controls.q.focus(), "?": () => help.showModal(),
};
Object.keys(MARKS).forEach((mark, index) => {
  ACTS[index + 1] = () => byId.has(state.sample) && setMark(byId.get(state.sample), mark);
});

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.target.closest("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
  } else if (Object.hasOwn(ACTS, event.key)) {
    event.preventDefault();
    ACTS[event.key]();
  }
}

// ---- all of it

const cross = make("div", { class: "crossing" });
const legend = make("p", { class: "note legend" });
const list = make("div", { class: "list", tabindex: "0", role: "region", "aria-label": "Problems" });
const detail = make("div", { class: "detail", tabindex: "0", role: "region", "aria-label": "The opened response" });
const total = make("span", { class: "total", "aria-live": "polite" });
root.append(panel(), make("div", { class: "top" }, cross, make("div", { class: "bar" }, total, saving(), legend)),
  make("div", { class: "panes" }, list, detail), help);

let last = { view: "", all: "" };

function draw() {
  state = read();
  const now = { view: JSON.stringify({ ...state, sample: "" }), all: JSON.stringify(state) };
  if (now.all === last.all) return;
  drawControls();
  if (now.view !== last.view) {
    drawn = PAGE;
    search();
    drawCross();
    drawRows();
  }
  drawSelection();
  drawDetail();
  last = now;
}

addEventListener("hashchange", draw);
addEventListener("keydown", pressed);
document.addEventListener("click", (event) => {
  if (event.target.closest("a.explore")) root.scrollIntoView();
});
document.documentElement.classList.add("scripted");
root.hidden = false;
draw();
drawSaving();
if (new URLSearchParams(location.hash.slice(1)).has("a")) root.scrollIntoView();
